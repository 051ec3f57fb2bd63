// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a set of hops to a rooted tree in top-down order; undirected trees are rooted at their centre.
#pragma once

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
    packed_tree t{root, GBps, {}};
    std::vector<int> level{root};
    std::vector<bool> used(tree.size(), false);
    while (!level.empty()) {
        std::vector<tree_edge> found;
        for (const int v : level) {
            const std::size_t begin = found.size();
            for (std::size_t i = 0; i < tree.size(); ++i) {
                const tree_hop& h = g.hops[static_cast<std::size_t>(tree[i])];
                if (used[i] || (h.parent != v && (g.directed() || h.child != v))) { continue; }
                used[i] = true;
                found.push_back(h.parent == v ? tree_edge{h.parent, h.child, h.down, h.up}
                                              : tree_edge{h.child, h.parent, h.up, h.down});
            }
            std::sort(found.begin() + static_cast<std::ptrdiff_t>(begin), found.end(),
                      [](const tree_edge& a, const tree_edge& b) { return a.child < b.child; });
        }
        level.clear();
        for (const tree_edge& e : found) { level.push_back(e.child); }
        t.edges.insert(t.edges.end(), found.begin(), found.end());
    }
    return t;
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
