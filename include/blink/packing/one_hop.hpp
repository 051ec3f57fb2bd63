// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One-hop trees where every rank reaches every other straight: behind a non-blocking switch, or all joined alike.
///
/// Allreduce: every rank is the root of a star and of 1/n of the data. Broadcast and reduce: the root deals the data
/// out to the others, a part each, and each passes its part on (or gathers it). Both move no more than the best trees
/// do, in two hops.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rooting.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

namespace detail {

/// The first hop between two ranks, by parent and child; -1 where there is none. Undirected hops serve both ways.
[[nodiscard]] inline std::vector<std::vector<int>> hop_table(const hop_graph& g) {
    const auto n = static_cast<std::size_t>(g.ranks);
    std::vector<std::vector<int>> table(n, std::vector<int>(n, -1));
    for (std::size_t h = g.hops.size(); h-- > 0;) {
        const auto u = static_cast<std::size_t>(g.hops[h].parent);
        const auto v = static_cast<std::size_t>(g.hops[h].child);
        table[u][v] = static_cast<int>(h);
        if (!g.directed()) { table[v][u] = static_cast<int>(h); }
    }
    return table;
}

} // namespace detail

/// The one-hop trees of `g` with equal rates, as high as the links allow.
/// @return empty where some pair of ranks has no hop
[[nodiscard]] inline std::vector<packed_tree> one_hop_trees(const hop_graph& g) {
    const auto table = detail::hop_table(g);
    const auto hop = [&](int u, int v) { return table[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)]; };
    std::vector<hop_tree> trees;
    std::vector<int> roots;
    for (int centre = 0; centre < g.ranks; ++centre) {
        if (centre == g.root) { continue; }
        hop_tree tree;
        if (g.directed()) { tree.push_back(hop(g.root, centre)); }
        for (int v = 0; v < g.ranks; ++v) {
            if (v != centre && v != g.root) { tree.push_back(hop(centre, v)); }
        }
        if (std::find(tree.begin(), tree.end(), -1) != tree.end()) { return {}; }
        std::sort(tree.begin(), tree.end());
        trees.push_back(std::move(tree));
        roots.push_back(g.directed() ? g.root : centre);
    }
    return evenly_rated(g, trees, roots);
}

} // namespace blink
