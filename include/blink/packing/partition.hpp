// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The partition of a graph's vertices that limits its spanning trees most: min over P of crossing(P) / (|P|-1).
///
/// Exact for any number of vertices, by Newton's method on the ratio (Dinkelbach 1967); each step minimises
/// crossing(P) - ratio (|P|-1) over all partitions by one minimum cut a vertex (Cunningham 1985, as the Dilworth
/// truncation of half the cut function).
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/max_flow.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

/// A partition of the vertices and its crossing / (parts - 1).
struct weak_partition {
    double ratio = 0;
    std::vector<std::vector<int>> parts;
};

namespace detail {

[[nodiscard]] inline double crossing_ratio(const Eigen::MatrixXd& capacity, const std::vector<int>& part_of,
                                           int parts) {
    double crossing = 0;
    for (Eigen::Index u = 0; u < capacity.rows(); ++u) {
        for (Eigen::Index v = 0; v < u; ++v) {
            if (part_of[static_cast<std::size_t>(u)] != part_of[static_cast<std::size_t>(v)]) {
                crossing += capacity(u, v);
            }
        }
    }
    return crossing / (parts - 1);
}

/// Numbers the parts by their lowest vertex; returns how many there are.
inline int renumber(std::vector<int>& part_of) {
    std::vector<int> number(part_of.size(), -1);
    int count = 0;
    for (int& p : part_of) {
        int& n = number[static_cast<std::size_t>(p)];
        if (n < 0) { n = count++; }
        p = n;
    }
    return count;
}

[[nodiscard]] inline bool is_one_part(const std::vector<int>& part_of) {
    return std::all_of(part_of.begin(), part_of.end(), [&](int p) { return p == part_of.front(); });
}

/// The partition that minimises crossing(P) - ratio (|P|-1), as the part of each vertex.
[[nodiscard]] inline std::vector<int> cheapest_partition(const Eigen::MatrixXd& capacity, double ratio) {
    const int n = static_cast<int>(capacity.rows());
    std::vector<double> price(static_cast<std::size_t>(n), 0);
    std::vector<int> part_of(static_cast<std::size_t>(n));
    const Eigen::VectorXd degree = capacity.rowwise().sum();
    for (int i = 0; i < n; ++i) {
        part_of[static_cast<std::size_t>(i)] = i;
        // Over the sets S of vertices 0 .. i that hold i, minimise cut(S)/2 - price(S): a minimum cut around i in the
        // graph of those vertices, where n is the sink and prices are edges to it or from i.
        flow_network network(i + 2);
        double constant = 0;
        double own = 0;
        for (int v = 0; v <= i; ++v) {
            double inside = 0;
            for (int w = 0; w <= i; ++w) { inside += capacity(v, w); }
            const double rest = (degree[v] - inside) / 2 - price[static_cast<std::size_t>(v)];
            for (int w = 0; w < v; ++w) {
                if (capacity(v, w) > 0) { network.add(v, w, capacity(v, w) / 2, capacity(v, w) / 2); }
            }
            if (v == i) {
                own = rest;
            } else if (rest > 0) {
                network.add(v, i + 1, rest);
            } else if (rest < 0) {
                network.add(i, v, -rest);
                constant += rest;
            }
        }
        price[static_cast<std::size_t>(i)] = network.solve(i, i + 1) + constant + own - ratio;
        const std::vector<bool> side = network.source_side();
        std::vector<bool> touched(static_cast<std::size_t>(n), false);
        for (int v = 0; v <= i; ++v) {
            if (side[static_cast<std::size_t>(v)]) {
                touched[static_cast<std::size_t>(part_of[static_cast<std::size_t>(v)])] = true;
            }
        }
        for (int v = 0; v <= i; ++v) {
            int& p = part_of[static_cast<std::size_t>(v)];
            if (touched[static_cast<std::size_t>(p)]) { p = i; }
        }
    }
    return part_of;
}

} // namespace detail

/// @param capacity symmetric, zero on the diagonal; between the vertices of a connected or unconnected graph
/// @return the weakest partition into two parts or more, parts and members in ascending order
/// @note n maximum flows a step; a handful of steps
[[nodiscard]] inline weak_partition weakest_partition(const Eigen::MatrixXd& capacity) {
    const int n = static_cast<int>(capacity.rows());
    std::vector<int> best(static_cast<std::size_t>(n));
    for (int v = 0; v < n; ++v) { best[static_cast<std::size_t>(v)] = v; }
    if (n < 2) { return {0, {best}}; }
    double ratio = detail::crossing_ratio(capacity, best, n);
    while (true) {
        std::vector<int> part_of = detail::cheapest_partition(capacity, ratio * (1 - 1e-12));
        const int parts = detail::renumber(part_of);
        if (parts < 2) { break; }
        const double better = detail::crossing_ratio(capacity, part_of, parts);
        if (!(better < ratio * (1 - 1e-9))) { break; }
        ratio = better;
        best = std::move(part_of);
    }
    weak_partition result{ratio, {}};
    for (int v = 0; v < n; ++v) {
        const auto p = static_cast<std::size_t>(best[static_cast<std::size_t>(v)]);
        if (result.parts.size() <= p) { result.parts.resize(p + 1); }
        result.parts[p].push_back(v);
    }
    return result;
}

} // namespace blink
