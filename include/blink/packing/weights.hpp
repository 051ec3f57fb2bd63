// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Multiplicative weights: which trees fill the links together, by asking again and again for the cheapest one.
///
/// Every link has a length that grows by a factor with each use; the cheapest tree under these lengths is the one
/// that avoids what is already full (Garg and Koenemann 1998). The lengths are the only state, so one cheap question
/// is asked many times instead of one linear programme over all trees.
#pragma once

#include <blink/packing/arborescence.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace blink {

/// The distinct trees in the order in which they were found first, with feasible rates.
struct weighted_trees {
    weights_report report;
    std::vector<hop_tree> trees;
    std::vector<double> GBps; ///< of each tree; together within the links' capacities
};

/// @param epsilon growth of a full link's length a step, in [0.01, 0.5]
/// @param reachable a rate that no packing exceeds; the search ends once it is `epsilon` away, so that a small graph
///        costs no more steps than it needs
/// @return no tree at all where none spans the ranks
[[nodiscard]] inline weighted_trees multiplicative_weights(const hop_graph& g, double epsilon, double reachable) {
    weighted_trees result;
    result.report.epsilon = epsilon;
    Eigen::ArrayXd relevant = Eigen::ArrayXd::Zero(g.capacity.size());
    for (const tree_hop& h : g.hops) {
        for (const int l : h.loads) { relevant[l] = 1; }
    }
    const double links = relevant.sum();
    const double delta = (1 + epsilon) * std::pow((1 + epsilon) * std::max(links, 2.0), -1 / epsilon);
    Eigen::ArrayXd length = relevant * delta / g.capacity;
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(g.capacity.size());
    std::vector<double> cost(g.hops.size());
    std::map<hop_tree, std::size_t> known;
    std::vector<std::vector<std::pair<int, int>>> uses; // of each tree: links, and how often it loads them
    cheapest_tree cheapest(g);
    double sent = 0;
    const auto fullest = [&] { return (load / g.capacity).maxCoeff(); };

    while ((g.capacity * length).sum() < 1) {
        for (std::size_t h = 0; h < cost.size(); ++h) {
            cost[h] = 0;
            for (const int l : g.hops[h].loads) { cost[h] += length[l]; }
        }
        const hop_tree& tree = cheapest.find(cost);
        if (tree.empty()) { return result; }
        const auto [entry, fresh] = known.try_emplace(tree, result.trees.size());
        if (fresh) {
            result.trees.push_back(tree);
            result.GBps.push_back(0);
            uses.push_back(g.load(tree));
        }
        double rate = std::numeric_limits<double>::infinity();
        for (const auto& [l, times] : uses[entry->second]) { rate = std::min(rate, g.capacity[l] / times); }
        for (const auto& [l, times] : uses[entry->second]) {
            load[l] += rate * times;
            length[l] *= 1 + epsilon * rate * times / g.capacity[l];
        }
        result.GBps[entry->second] += rate;
        sent += rate;
        ++result.report.iterations;
        if (result.report.iterations % 8 == 0 && sent / fullest() >= (1 - epsilon) * reachable) { break; }
    }
    const double scale = 1 / fullest();
    for (double& r : result.GBps) { r *= scale; }
    result.report.candidates = static_cast<int>(result.trees.size());
    result.report.GBps = sent * scale;
    return result;
}

} // namespace blink
