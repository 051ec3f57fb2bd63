// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Can the room that is left still carry so much? Exact where hops are links of their own.
///
/// By Edmonds' theorem (arborescences) and Tutte's and Nash-Williams' (undirected trees) whole trees of one unit each
/// exist as soon as no cut or partition forbids them, so a search that asks before each step never has to go back.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/max_flow.hpp>
#include <blink/packing/partition.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace blink {

/// Answers for one direct hop graph under changing room.
class lookahead {
  public:
    explicit lookahead(const hop_graph& g) : graph_(&g), network_(g.ranks) {
        if (!g.directed()) { return; }
        for (const tree_hop& h : g.hops) { network_.add(h.parent, h.child, 1); }
    }

    /// True where every rank can still receive `rate` from the root over links with `room` (directed), or every
    /// partition still carries `rate` (undirected).
    [[nodiscard]] bool carries(const Eigen::ArrayXd& room, double rate) {
        if (rate <= 0) { return true; }
        if (!graph_->directed()) {
            return detail::is_one_part(detail::cheapest_partition(between(room), rate * (1 - 1e-9)));
        }
        use(room);
        for (int v = 0; v < graph_->ranks; ++v) {
            if (v != graph_->root && !delivers_to(v, rate)) { return false; }
        }
        return true;
    }

    /// The same for one rank of a directed graph, with the room of the last `use`.
    [[nodiscard]] bool delivers_to(int rank, double rate) {
        return network_.solve(graph_->root, rank, rate * (1 - 1e-9)) >= rate * (1 - 1e-9);
    }

    /// After `delivers_to` said no: the ranks around `rank` that a smallest cut parts from the root.
    [[nodiscard]] std::vector<bool> cut_around(int rank) const { return network_.sink_side(rank); }

    /// Takes over the room that the links have left.
    void use(const Eigen::ArrayXd& room) {
        for (std::size_t h = 0; h < graph_->hops.size(); ++h) { set(static_cast<int>(h), room); }
    }

    /// Takes over the room of one hop alone.
    void set(int hop, const Eigen::ArrayXd& room) { network_.set(hop, graph_->width(hop, room)); }

    /// What the room carries at most: the best rate of any packing into it.
    [[nodiscard]] double limit(const Eigen::ArrayXd& room) {
        if (!graph_->directed()) { return weakest_partition(between(room)).ratio; }
        use(room);
        double least = std::numeric_limits<double>::infinity();
        for (int v = 0; v < graph_->ranks; ++v) {
            if (v != graph_->root) { least = std::min(least, network_.solve(graph_->root, v)); }
        }
        return least;
    }

  private:
    [[nodiscard]] Eigen::MatrixXd between(const Eigen::ArrayXd& room) const {
        Eigen::MatrixXd capacity = Eigen::MatrixXd::Zero(graph_->ranks, graph_->ranks);
        for (std::size_t h = 0; h < graph_->hops.size(); ++h) {
            const tree_hop& hop = graph_->hops[h];
            const double width = graph_->width(static_cast<int>(h), room);
            capacity(hop.parent, hop.child) += width;
            capacity(hop.child, hop.parent) += width;
        }
        return capacity;
    }

    const hop_graph* graph_;
    flow_network network_;
};

} // namespace blink
