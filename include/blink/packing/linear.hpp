// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The best packing with any rates, exactly: the packing's linear programme by column generation.
///
/// Maximise the sum of the trees' rates under the links' capacities. Of the countless trees only those enter that the
/// prices of the links call for, and the cheapest tree under these prices tells which, or proves that none is missing
/// (Dantzig and Wolfe 1960). A basic solution has at most as many trees as there are full links.
#pragma once

#include <blink/packing/arborescence.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace blink {

/// An optimal fractional packing.
struct fractional_packing {
    std::vector<hop_tree> trees;
    std::vector<double> GBps; ///< of each tree
    double total = 0;         ///< GB/s
    bool optimal = false;     ///< false where the step limit ended the search; the packing is feasible all the same
};

/// @note dense revised simplex: O(links^2) a step beside one cheapest tree; meant for one machine's links
[[nodiscard]] inline fractional_packing best_fractional_packing(const hop_graph& g, int step_limit = 2000) {
    fractional_packing result;
    const Eigen::Index rows = g.capacity.size();
    const double scale = g.capacity.maxCoeff();
    Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(rows, rows);
    Eigen::VectorXd amount = g.capacity.matrix() / scale;
    // Column of each row of the basis: the slack of a link while it is negative, else an index into `trees`.
    std::vector<int> basis(static_cast<std::size_t>(rows), -1);
    std::vector<hop_tree> trees;
    std::vector<double> cost(g.hops.size());
    cheapest_tree cheapest(g);
    constexpr double tolerance = 1e-9;

    for (int step = 0; step < step_limit; ++step) {
        Eigen::VectorXd price = Eigen::VectorXd::Zero(rows);
        for (Eigen::Index i = 0; i < rows; ++i) {
            if (basis[static_cast<std::size_t>(i)] >= 0) { price += inverse.row(i).transpose(); }
        }
        Eigen::Index slack = 0;
        const bool negative = price.minCoeff(&slack) < -tolerance;
        Eigen::VectorXd column = Eigen::VectorXd::Zero(rows);
        int entering = -1;
        if (negative) {
            column[slack] = 1;
        } else {
            for (std::size_t h = 0; h < cost.size(); ++h) {
                cost[h] = 0;
                for (const int l : g.hops[h].loads) { cost[h] += std::max(price[l], 0.0); }
            }
            const hop_tree& tree = cheapest.find(cost);
            if (tree.empty()) { return result; }
            for (const auto& [l, times] : g.load(tree)) { column[l] = times; }
            if (price.dot(column) >= 1 - tolerance) {
                result.optimal = true;
                break;
            }
            entering = static_cast<int>(trees.size());
            trees.push_back(tree);
        }
        const Eigen::VectorXd change = inverse * column;
        Eigen::Index leaving = -1;
        double ratio = std::numeric_limits<double>::infinity();
        for (Eigen::Index i = 0; i < rows; ++i) {
            if (change[i] <= tolerance) { continue; }
            const double r = std::max(amount[i], 0.0) / change[i];
            const bool tie = leaving >= 0 && r < ratio + tolerance;
            if (r < ratio - tolerance || (tie && change[i] > change[leaving] + tolerance)) {
                ratio = std::min(r, ratio);
                leaving = i;
            }
        }
        if (leaving < 0) { break; }
        const double pivot = change[leaving];
        const double entered = std::max(amount[leaving], 0.0) / pivot;
        inverse.row(leaving) /= pivot;
        for (Eigen::Index i = 0; i < rows; ++i) {
            if (i == leaving) { continue; }
            inverse.row(i) -= change[i] * inverse.row(leaving);
            amount[i] -= change[i] * entered;
        }
        amount[leaving] = entered;
        basis[static_cast<std::size_t>(leaving)] = entering;
    }

    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(rows);
    for (Eigen::Index i = 0; i < rows; ++i) {
        const int tree = basis[static_cast<std::size_t>(i)];
        const double rate = amount[i] * scale;
        if (tree < 0 || rate <= tolerance * scale) { continue; }
        for (const auto& [l, times] : g.load(trees[static_cast<std::size_t>(tree)])) { load[l] += rate * times; }
        result.trees.push_back(trees[static_cast<std::size_t>(tree)]);
        result.GBps.push_back(rate);
    }
    const double overfull = result.trees.empty() ? 1.0 : std::max(1.0, (load / g.capacity).maxCoeff());
    for (double& r : result.GBps) {
        r /= overfull;
        result.total += r;
    }
    return result;
}

} // namespace blink
