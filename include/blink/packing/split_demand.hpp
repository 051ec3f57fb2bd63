// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a collective asks of the cuts of a machine whose wires carry as much one way as the other, so that vertices
/// which only pass data on (switches, relays) can be removed without a loss.
///
/// A machine carries a rate as long as some sets of vertices have cuts that are large enough together: one cut between
/// the root and each rank (Edmonds 1973); one around each set of ranks whose shards must leave; for an allreduce one
/// around each part of a partition (Tutte 1961, Nash-Williams 1961). What passes data on may stand on either side of a
/// cut, wherever the cut is smallest.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/max_flow.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace blink::detail {

/// Sets of vertices whose cuts carry `GBps` less, together, than is asked for; no sets where nothing is missing.
struct shortfall {
    double GBps = 0;
    std::vector<std::vector<bool>> sides;
};

/// Adds the wires between the vertices of `capacity` to `network`.
inline void add_wires(flow_network& network, const Eigen::MatrixXd& capacity, double scale = 1) {
    for (int v = 0; v < capacity.rows(); ++v) {
        for (int u = 0; u < v; ++u) {
            if (capacity(u, v) > 0) { network.add(u, v, capacity(u, v) * scale, capacity(u, v) * scale); }
        }
    }
}

/// The smallest cut between `part` and the other ranks: what it carries, and the vertices on the side of `part`.
[[nodiscard]] inline std::pair<double, std::vector<bool>> smallest_cut(const Eigen::MatrixXd& capacity, int ranks,
                                                                       const std::vector<int>& part) {
    const int n = static_cast<int>(capacity.rows());
    flow_network network(n + 2);
    add_wires(network, capacity);
    const double all = capacity.sum();
    for (int v = 0; v < ranks; ++v) {
        const bool inside = std::find(part.begin(), part.end(), v) != part.end();
        network.add(inside ? n : v, inside ? v : n + 1, all);
    }
    const double flow = network.solve(n, n + 1);
    std::vector<bool> side = network.source_side();
    side.resize(static_cast<std::size_t>(n));
    return {flow, std::move(side)};
}

/// The partition of the ranks that minimises the sum over its parts of (smallest cut around the part) / 2 - ratio, as
/// lists of ranks: `cheapest_partition` on a graph in which the vertices from `ranks` on belong to no part.
[[nodiscard]] inline std::vector<std::vector<int>> cheapest_parts(const Eigen::MatrixXd& capacity, int ranks,
                                                                  double ratio) {
    const auto at = [](int v) { return static_cast<std::size_t>(v); };
    const int n = static_cast<int>(capacity.rows());
    std::vector<double> price(at(ranks), 0);
    std::vector<int> part_of(at(ranks));
    std::iota(part_of.begin(), part_of.end(), 0);
    for (int i = 0; i < ranks; ++i) {
        // Over the sets of ranks 0 .. i that hold i: a minimum cut around i, where what leads to later ranks is cut.
        flow_network network(n + 1);
        double constant = 0;
        for (int v = 0; v < n; ++v) {
            if (v > i && v < ranks) { continue; }
            for (int u = 0; u < v; ++u) {
                if ((u <= i || u >= ranks) && capacity(u, v) > 0) {
                    network.add(u, v, capacity(u, v) / 2, capacity(u, v) / 2);
                }
            }
            double outside = 0;
            for (int w = i + 1; w < ranks; ++w) { outside += capacity(v, w) / 2; }
            const double rest = v < i ? outside - price[at(v)] : outside;
            if (v == i) {
                constant += rest;
            } else if (rest > 0) {
                network.add(v, n, rest);
            } else if (rest < 0) {
                network.add(i, v, -rest);
                constant += rest;
            }
        }
        price[at(i)] = network.solve(i, n) + constant - ratio;
        const std::vector<bool> side = network.source_side();
        std::vector<bool> touched(at(ranks), false);
        for (int v = 0; v <= i; ++v) {
            if (side[at(v)]) { touched[at(part_of[at(v)])] = true; }
        }
        for (int v = 0; v <= i; ++v) {
            if (touched[at(part_of[at(v)])]) { part_of[at(v)] = i; }
        }
    }
    std::vector<std::vector<int>> parts(at(ranks));
    for (int v = 0; v < ranks; ++v) { parts[at(part_of[at(v)])].push_back(v); }
    std::erase_if(parts, [](const std::vector<int>& part) { return part.empty(); });
    return parts;
}

/// The best rate of a collective on a machine, and the check that a changed machine still has it.
/// @note one maximum flow for each rank, and a handful of times that for the rate of an allreduce
class split_demand {
  public:
    /// @param capacity of the wires between the vertices, GB/s one way; symmetric; vertices 0 .. ranks-1 are the ranks
    split_demand(collective kind, int root, int ranks, const Eigen::MatrixXd& capacity)
        : kind_(kind), root_(is_rooted(kind) ? root : 0), ranks_(ranks) {
        rate_ = std::numeric_limits<double>::infinity();
        for (int v = 0; v < ranks_; ++v) {
            const double cut = smallest_cut(capacity, ranks_, {v}).first;
            // What one rank alone allows, and never less than the best rate.
            rate_ = std::min(rate_, is_sharded(kind_) ? cut * ranks_ / (ranks_ - 1) : cut);
        }
        while (rate_ > 0) {
            const double lower = limited(missing(capacity));
            if (!(lower < rate_ * (1 - 1e-12))) { break; }
            rate_ = lower;
        }
    }

    /// GB/s.
    [[nodiscard]] double rate() const noexcept { return rate_; }

    /// What `capacity` lacks to carry the rate.
    [[nodiscard]] shortfall missing(const Eigen::MatrixXd& capacity) const {
        if (!(rate_ > 0)) { return {}; }
        return kind_ == collective::allreduce ? missing_around_parts(capacity) : missing_from_source(capacity);
    }

  private:
    static constexpr double rounding = 1e-10;

    /// The rate at which nothing would be missing between the sets of `s`.
    [[nodiscard]] double limited(const shortfall& s) const {
        if (s.sides.empty()) { return rate_; }
        return rate_ - s.GBps / weight(s);
    }

    /// How much more the cuts of `s` have to carry for each GB/s of the rate.
    [[nodiscard]] double weight(const shortfall& s) const {
        if (kind_ == collective::allreduce) { return 2.0 * static_cast<double>(s.sides.size() - 1); }
        if (!is_sharded(kind_)) { return 1; }
        const auto& side = s.sides.front();
        return static_cast<double>(std::count(side.begin(), side.begin() + ranks_, true)) / ranks_;
    }

    /// A flow from the root, or from a source that gives every rank its shard, to each rank.
    [[nodiscard]] shortfall missing_from_source(const Eigen::MatrixXd& capacity) const {
        const int n = static_cast<int>(capacity.rows());
        const int source = is_sharded(kind_) ? n : root_;
        flow_network network(n + 1);
        add_wires(network, capacity);
        for (int v = 0; is_sharded(kind_) && v < ranks_; ++v) { network.add(n, v, rate_ / ranks_); }
        shortfall worst;
        for (int v = 0; v < ranks_; ++v) {
            if (v == source) { continue; }
            const double flow = network.solve(source, v, rate_ * (1 - rounding));
            if (flow < rate_ * (1 - rounding) && rate_ - flow > worst.GBps) {
                worst = {rate_ - flow, {network.source_side()}};
                worst.sides.front().resize(static_cast<std::size_t>(n));
            }
        }
        return worst;
    }

    [[nodiscard]] shortfall missing_around_parts(const Eigen::MatrixXd& capacity) const {
        const auto parts = cheapest_parts(capacity, ranks_, rate_ * (1 - rounding));
        if (parts.size() < 2) { return {}; }
        shortfall s{2 * rate_ * static_cast<double>(parts.size() - 1), {}};
        for (const auto& part : parts) {
            auto [cut, side] = smallest_cut(capacity, ranks_, part);
            s.GBps -= cut;
            s.sides.push_back(std::move(side));
        }
        return s.GBps > 0 ? s : shortfall{};
    }

    collective kind_;
    int root_;
    int ranks_;
    double rate_ = 0;
};

} // namespace blink::detail
