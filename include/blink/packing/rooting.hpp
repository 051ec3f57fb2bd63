// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a set of hops to a rooted tree in top-down order; undirected trees are rooted at their centre.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

/// `tree` hung up at `root`, level by level, hops within a level by parent and child. Hops of undirected trees are
/// turned to point away from the root.
[[nodiscard]] inline packed_tree hang(const hop_graph& g, const hop_tree& tree, int root, double GBps) {
    const auto at = [](int v) { return static_cast<std::size_t>(v); };
    // The hops at each rank, one rank after the other: those of rank v stand at begin[v] .. begin[v + 1] - 1.
    std::vector<std::size_t> begin(at(g.ranks) + 2, 0);
    const auto ends = [&](const auto& visit) {
        for (const int index : tree) {
            const tree_hop& h = g.hops[at(index)];
            visit(h.parent, tree_edge{h.parent, h.child, h.down, h.up});
            if (!g.directed()) { visit(h.child, tree_edge{h.child, h.parent, h.up, h.down}); }
        }
    };
    ends([&](int v, const tree_edge&) { ++begin[at(v) + 2]; });
    for (std::size_t v = 2; v < begin.size(); ++v) { begin[v] += begin[v - 1]; }
    std::vector<tree_edge> leaving(begin.back());
    ends([&](int v, const tree_edge& e) { leaving[begin[at(v) + 1]++] = e; });

    packed_tree t{root, GBps, {}};
    t.edges.reserve(tree.size());
    std::vector<bool> reached(at(g.ranks), false);
    reached[at(root)] = true;
    for (std::size_t done = 0; done <= t.edges.size(); ++done) {
        const int v = done == 0 ? root : t.edges[done - 1].child;
        const std::size_t first = t.edges.size();
        for (std::size_t i = begin[at(v)]; i < begin[at(v) + 1]; ++i) {
            if (reached[at(leaving[i].child)]) { continue; }
            reached[at(leaving[i].child)] = true;
            t.edges.push_back(leaving[i]);
        }
        std::sort(t.edges.begin() + static_cast<std::ptrdiff_t>(first), t.edges.end(),
                  [](const tree_edge& a, const tree_edge& b) { return a.child < b.child; });
    }
    return t;
}

/// Each tree hung up at its root, all with the same rate, as high as the links allow.
[[nodiscard]] inline std::vector<packed_tree> evenly_rated(const hop_graph& g, const std::vector<hop_tree>& trees,
                                                           const std::vector<int>& roots) {
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(g.capacity.size());
    for (const hop_tree& tree : trees) {
        for (const auto& [l, times] : g.load(tree)) { load[l] += times; }
    }
    const double rate = 1 / (load / g.capacity).maxCoeff();
    std::vector<packed_tree> hung;
    for (std::size_t i = 0; i < trees.size(); ++i) { hung.push_back(hang(g, trees[i], roots[i], rate)); }
    return hung;
}

/// The same at the best root: the root of the graph, or the centre. `busy` counts the trees that each rank already
/// is the root of; of two centres the less busy one is taken, then the lower.
[[nodiscard]] inline packed_tree hang(const hop_graph& g, const hop_tree& tree, double GBps, std::vector<int>& busy) {
    if (g.directed()) { return hang(g, tree, g.root, GBps); }
    packed_tree best;
    int flattest = g.ranks;
    for (int v = 0; v < g.ranks; ++v) {
        packed_tree t = hang(g, tree, v, GBps);
        const int d = depth(t, g.ranks);
        const bool idler =
            d == flattest && busy[static_cast<std::size_t>(v)] < busy[static_cast<std::size_t>(best.root)];
        if (d < flattest || idler) {
            flattest = d;
            best = std::move(t);
        }
    }
    ++busy[static_cast<std::size_t>(best.root)];
    return best;
}

} // namespace blink
