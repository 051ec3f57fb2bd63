// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Arborescences that fill every cut, with certainty: the constructive proof of Edmonds' theorem (Lovasz 1976).
///
/// A tree of one unit grows hop by hop; a hop is safe while every rank can still receive k-1 units over what is left,
/// and a safe hop always exists. A hop can only break the cuts that part its end from the root, so one maximum flow
/// decides.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/lookahead.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

/// Grows one arborescence of `amount` units that leaves room for `rest` units more, flat where there is a choice.
/// @param g direct and directed
/// @param room in units, whole numbers; the tree's unit is taken off
/// @param start hop of the root that the tree begins with, and the only one it may have there; -1 leaves all free
/// @param amount one unit always finds its tree; more may not, even where the room carries it
/// @return empty where `room` does not carry rest + amount units; what is left of `room` is then of no use
[[nodiscard]] inline hop_tree grow_arborescence(const hop_graph& g, Eigen::ArrayXd& room, double rest, int start = -1,
                                                double amount = 1) {
    lookahead ahead(g);
    hop_tree tree;
    std::vector<int> level(static_cast<std::size_t>(g.ranks), -1);
    level[static_cast<std::size_t>(g.root)] = 0;
    std::vector<bool> unsafe(g.hops.size(), false);
    if (start >= 0) {
        const tree_hop& hop = g.hops[static_cast<std::size_t>(start)];
        for (const int l : hop.loads) { room[l] -= amount; }
        level[static_cast<std::size_t>(hop.child)] = 1;
        tree.push_back(start);
        for (std::size_t h = 0; h < g.hops.size(); ++h) { unsafe[h] = g.hops[h].parent == g.root; }
    }
    ahead.use(room);
    while (static_cast<int>(tree.size()) + 1 < g.ranks) {
        int next = -1;
        for (int h = 0; h < static_cast<int>(g.hops.size()); ++h) {
            const tree_hop& hop = g.hops[static_cast<std::size_t>(h)];
            const int from = level[static_cast<std::size_t>(hop.parent)];
            if (from < 0 || level[static_cast<std::size_t>(hop.child)] >= 0 || unsafe[static_cast<std::size_t>(h)]) {
                continue;
            }
            if (g.width(h, room) < amount * (1 - 1e-9)) { continue; }
            if (next < 0 || from < level[static_cast<std::size_t>(g.hops[static_cast<std::size_t>(next)].parent)]) {
                next = h;
            }
        }
        if (next < 0) { return {}; }
        const tree_hop& hop = g.hops[static_cast<std::size_t>(next)];
        for (const int l : hop.loads) { room[l] -= amount; }
        ahead.set(next, room);
        if (rest > 0 && !ahead.delivers_to(hop.child, rest)) {
            // What is unsafe now stays so: later steps only take more room away. The cut that would be broken can
            // spare none of its hops.
            const std::vector<bool> full = ahead.cut_around(hop.child);
            for (std::size_t h = 0; h < g.hops.size(); ++h) {
                const bool enters = full[static_cast<std::size_t>(g.hops[h].child)] &&
                                    !full[static_cast<std::size_t>(g.hops[h].parent)];
                if (enters) { unsafe[h] = true; }
            }
            for (const int l : hop.loads) { room[l] += amount; }
            ahead.set(next, room);
            continue;
        }
        level[static_cast<std::size_t>(hop.child)] = level[static_cast<std::size_t>(hop.parent)] + 1;
        tree.push_back(next);
    }
    std::sort(tree.begin(), tree.end());
    return tree;
}

/// `units` arborescences of one unit each.
/// @param room of each link, in units, whole numbers
/// @return empty where some cut carries less than `units`
[[nodiscard]] inline std::vector<hop_tree> exact_arborescences(const hop_graph& g, Eigen::ArrayXd room, int units) {
    std::vector<hop_tree> trees;
    for (int rest = units - 1; rest >= 0; --rest) {
        hop_tree tree = grow_arborescence(g, room, rest);
        if (tree.empty()) { return {}; }
        trees.push_back(std::move(tree));
    }
    return trees;
}

} // namespace blink
