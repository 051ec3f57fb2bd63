// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How much each rank should be the root of, if nobody cares who: an allreduce may hang its trees up anywhere.
///
/// Trees with rate x(r) from each root r, all on the same links, exist where no set of ranks has to send out more than
/// its links carry: x(S) <= out(S) for every S but all of them (Edmonds 1973). The largest sum under these constraints
/// is a linear programme with one constraint a set; those that matter are found by minimum cuts.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/forest_bound.hpp>
#include <blink/packing/max_flow.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

namespace detail {

/// Maximises the sum of x >= 0 under `sets` x <= `limits` (zeros and ones; positive), by the simplex method.
[[nodiscard]] inline std::vector<double> largest_sum(const std::vector<std::vector<bool>>& sets,
                                                     const std::vector<double>& limits) {
    const auto rows = static_cast<Eigen::Index>(sets.size());
    const auto columns = static_cast<Eigen::Index>(sets.front().size());
    // Below the constraints stands what each column still adds to the sum; the last column is what is left.
    Eigen::MatrixXd table = Eigen::MatrixXd::Zero(rows + 1, columns + rows + 1);
    std::vector<Eigen::Index> basis;
    for (Eigen::Index i = 0; i < rows; ++i) {
        for (Eigen::Index j = 0; j < columns; ++j) {
            table(i, j) = sets[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] ? 1 : 0;
        }
        table(i, columns + i) = 1;
        table(i, columns + rows) = limits[static_cast<std::size_t>(i)];
        basis.push_back(columns + i);
    }
    table.row(rows).head(columns).setOnes();
    constexpr double tolerance = 1e-9;
    const Eigen::Index most_steps = 50 * (rows + columns);
    for (Eigen::Index step = 0; step < most_steps; ++step) {
        // The first column that adds something, and the first row in a tie: that cannot go round in circles (Bland
        // 1977).
        Eigen::Index entering = 0;
        while (entering < columns + rows && table(rows, entering) <= tolerance) { ++entering; }
        if (entering == columns + rows) { break; }
        Eigen::Index leaving = -1;
        for (Eigen::Index i = 0; i < rows; ++i) {
            if (table(i, entering) <= tolerance) { continue; }
            if (leaving < 0) {
                leaving = i;
                continue;
            }
            const double mine = table(i, columns + rows) * table(leaving, entering);
            const double best = table(leaving, columns + rows) * table(i, entering);
            const bool tie =
                mine == best && basis[static_cast<std::size_t>(i)] < basis[static_cast<std::size_t>(leaving)];
            if (mine < best || tie) { leaving = i; }
        }
        if (leaving < 0) { break; }
        table.row(leaving) /= table(leaving, entering);
        for (Eigen::Index i = 0; i <= rows; ++i) {
            const double factor = table(i, entering);
            if (i != leaving && factor != 0) { table.row(i) -= factor * table.row(leaving); }
        }
        basis[static_cast<std::size_t>(leaving)] = entering;
    }
    std::vector<double> x(static_cast<std::size_t>(columns), 0);
    for (Eigen::Index i = 0; i < rows; ++i) {
        const Eigen::Index j = basis[static_cast<std::size_t>(i)];
        if (j < columns) { x[static_cast<std::size_t>(j)] = std::max(0.0, table(i, columns + rows)); }
    }
    return x;
}

} // namespace detail

/// Rates of the roots in GB/s with the largest sum for which there are trees.
/// @note meant for one planner's call: a linear programme and a maximum flow a rank in each of a few rounds
[[nodiscard]] inline std::vector<double> best_root_rates(const fabric& f) {
    const auto ranks = static_cast<std::size_t>(f.ranks);
    std::vector<std::vector<bool>> sets;
    std::vector<double> limits;
    const auto add = [&](const std::vector<bool>& side) {
        const double limit = detail::forest_cut(f, false, side).GBps;
        std::vector<bool> set(side.begin(), side.begin() + f.ranks);
        const auto members = std::count(set.begin(), set.end(), true);
        sets.push_back(std::move(set));
        limits.push_back(limit / f.ranks * static_cast<double>(members));
    };
    for (int v = 0; v < f.ranks; ++v) {
        std::vector<bool> others(static_cast<std::size_t>(f.vertices), true);
        others[static_cast<std::size_t>(v)] = false;
        add(others);
        others.flip();
        add(others);
    }
    constexpr int rounds = 100;
    std::vector<double> x;
    for (int round = 0; round < rounds; ++round) {
        x = detail::largest_sum(sets, limits);
        flow_network network(f.vertices + 1);
        for (const link& l : f.links) { network.add(l.from, l.to, l.GBps); }
        double sum = 0;
        for (std::size_t v = 0; v < ranks; ++v) {
            network.add(f.vertices, static_cast<int>(v), x[v]);
            sum += x[v];
        }
        double least = sum;
        for (int v = 0; v < f.ranks; ++v) {
            const double flow = network.solve(f.vertices, v);
            if (flow >= sum * (1 - 1e-10)) { continue; }
            least = std::min(least, flow);
            std::vector<bool> side = network.source_side();
            side.pop_back();
            add(side);
        }
        if (least >= sum * (1 - 1e-10)) { return x; }
    }
    return {};
}

} // namespace blink
