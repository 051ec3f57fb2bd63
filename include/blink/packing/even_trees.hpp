// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A fixed number of equal trees for every root, each moved again and again to where the links are emptiest.
///
/// No proof goes with them, but there are as few as was asked for, and it does not matter what links the hops share.
#pragma once

#include <blink/packing/arborescence.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/forest_graph.hpp>
#include <blink/packing/hops.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace blink {

/// @param g of `make_shard_graph`
/// @param each trees of every root; equal ones are listed apart
/// @return trees of the same rate, as high as the fullest link allows; empty where some root cannot span the ranks
[[nodiscard]] inline std::vector<rooted_tree> even_trees(const hop_graph& g, int each, int rounds = 12) {
    std::vector<cheapest_tree> cheapest;
    for (int r = 0; r < g.ranks; ++r) {
        hop_graph own = g;
        own.root = r;
        cheapest.emplace_back(own);
    }
    std::vector<rooted_tree> trees(static_cast<std::size_t>(g.ranks * each));
    std::vector<rooted_tree> best;
    std::vector<double> cost(g.hops.size());
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(g.capacity.size());
    double lowest = std::numeric_limits<double>::infinity();
    for (int round = 0; round < rounds; ++round) {
        const double steep = 4 + 3 * round;
        for (std::size_t i = 0; i < trees.size(); ++i) {
            rooted_tree& t = trees[i];
            t.root = static_cast<int>(i) % g.ranks;
            for (const auto& [l, times] : g.load(t.hops)) { load[l] -= times; }
            const double peak = std::max((load / g.capacity).maxCoeff(), 1 / g.capacity.maxCoeff());
            const Eigen::ArrayXd price = (steep * (load / g.capacity / peak - 1)).exp() / g.capacity;
            for (std::size_t h = 0; h < cost.size(); ++h) {
                cost[h] = 0;
                for (const int l : g.hops[h].loads) { cost[h] += price[l]; }
            }
            t.hops = cheapest[static_cast<std::size_t>(t.root)].find(cost);
            if (t.hops.empty()) { return {}; }
            for (const auto& [l, times] : g.load(t.hops)) { load[l] += times; }
        }
        if (const double peak = (load / g.capacity).maxCoeff(); peak < lowest * (1 - 1e-12)) {
            lowest = peak;
            best = trees;
        }
    }
    for (rooted_tree& t : best) { t.GBps = 1 / lowest; }
    return best;
}

} // namespace blink
