// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The trees among which the fewest are chosen: all there are on small graphs, else what other stages bring.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

namespace blink {

/// A tree with the load that it puts on the links.
struct candidate_tree {
    hop_tree hops;
    std::vector<std::pair<int, int>> load; ///< (link, times)

    /// Largest rate that fits into `room`.
    [[nodiscard]] double fit(const Eigen::ArrayXd& room) const {
        double rate = std::numeric_limits<double>::infinity();
        for (const auto& [l, times] : load) { rate = std::min(rate, room[l] / times); }
        return rate;
    }

    /// Takes `rate` off the room of its links; a negative rate gives it back.
    void take(Eigen::ArrayXd& room, double rate) const {
        for (const auto& [l, times] : load) { room[l] -= rate * times; }
    }
};

/// Distinct candidates in the order in which they came.
class candidate_pool {
  public:
    explicit candidate_pool(const hop_graph& g) : graph_(&g) {}

    void add(const hop_tree& tree) {
        if (!tree.empty() && known_.insert(tree).second) { trees_.push_back({tree, graph_->load(tree)}); }
    }

    [[nodiscard]] const std::vector<candidate_tree>& trees() const noexcept { return trees_; }

  private:
    const hop_graph* graph_;
    std::set<hop_tree> known_;
    std::vector<candidate_tree> trees_;
};

/// How many spanning trees there are, by the matrix-tree theorem (Kirchhoff 1847, Tutte 1948 for arborescences).
[[nodiscard]] inline double count_trees(const hop_graph& g) {
    Eigen::MatrixXd laplacian = Eigen::MatrixXd::Zero(g.ranks, g.ranks);
    for (const tree_hop& h : g.hops) {
        laplacian(h.child, h.child) += 1;
        laplacian(h.parent, h.child) -= 1;
        if (!g.directed()) {
            laplacian(h.parent, h.parent) += 1;
            laplacian(h.child, h.parent) -= 1;
        }
    }
    // The row and column of the root go; it changes places with the last rank.
    const Eigen::Index root = std::max(g.root, 0);
    const Eigen::Index last = g.ranks - 1;
    laplacian.row(root).swap(laplacian.row(last));
    laplacian.col(root).swap(laplacian.col(last));
    // The determinant of what is left, by elimination: columns of a Laplacian are dominated by their diagonal, so no
    // pivot has to be searched, and Eigen's LU would cost every user's compiler more than all the rest of this file.
    double trees = 1;
    for (Eigen::Index k = 0; k < last && trees > 0; ++k) {
        const double pivot = laplacian(k, k);
        trees *= std::max(pivot, 0.0);
        for (Eigen::Index row = k + 1; row < last && trees > 0; ++row) {
            const double factor = laplacian(row, k) / pivot;
            for (Eigen::Index column = k + 1; column < last; ++column) {
                laplacian(row, column) -= factor * laplacian(k, column);
            }
        }
    }
    return trees;
}

namespace detail {

/// Extends `tree` by hops from number `next` on in every way that ends in a spanning tree.
inline void extend_trees(const hop_graph& g, int next, const std::vector<int>& group, std::vector<bool>& entered,
                         hop_tree& tree, std::vector<hop_tree>& all) {
    if (static_cast<int>(tree.size()) + 1 == g.ranks) {
        all.push_back(tree);
        return;
    }
    for (int h = next; h < static_cast<int>(g.hops.size()); ++h) {
        const tree_hop& hop = g.hops[static_cast<std::size_t>(h)];
        const int from = group[static_cast<std::size_t>(hop.parent)];
        const int to = group[static_cast<std::size_t>(hop.child)];
        const bool twice = g.directed() && entered[static_cast<std::size_t>(hop.child)];
        if (from != to && !twice) {
            std::vector<int> merged = group;
            std::replace(merged.begin(), merged.end(), to, from);
            entered[static_cast<std::size_t>(hop.child)] = true;
            tree.push_back(h);
            extend_trees(g, h + 1, merged, entered, tree, all);
            tree.pop_back();
            if (g.directed()) { entered[static_cast<std::size_t>(hop.child)] = false; }
        }
    }
}

} // namespace detail

/// All spanning trees, in lexicographic order of their hops.
/// @note exponential; ask `count_trees` first
[[nodiscard]] inline std::vector<hop_tree> every_tree(const hop_graph& g) {
    std::vector<int> group(static_cast<std::size_t>(g.ranks));
    std::iota(group.begin(), group.end(), 0);
    std::vector<bool> entered(static_cast<std::size_t>(g.ranks), false);
    hop_tree tree;
    std::vector<hop_tree> all;
    detail::extend_trees(g, 0, group, entered, tree, all);
    return all;
}

} // namespace blink
