// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From undirected links to arborescences, in a constant expression: k spanning trees that share no unit of a link are
/// k arborescences out of any root once the links are oriented well (Frank, *On the orientation of graphs*, 1980).
///
/// An orientation is good where every set X of ranks without the root is entered by k units. What enters X is the sum
/// of the in-degrees in X less the units within X, so only in-degrees matter: with i(X) units within X and e(X) units
/// that touch X, in-degrees m are those of a good orientation if and only if i(X) + k <= m(X) <= e(X) for all X. Such m
/// form a generalised polymatroid, so they can be chosen a rank at a time, as long as what is left is not empty.
#pragma once

#include <blink/packing/static_trees.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace blink::detail {

template <int N>
using static_matrix = std::array<std::array<int, N>, N>;

/// For each set of ranks (a bit a rank), the least and the most that its in-degrees may sum up to.
template <int N>
struct degree_bounds {
    std::array<int, std::size_t{1} << N> least{};
    std::array<int, std::size_t{1} << N> most{};

    /// @param units between each two ranks, the same in both triangles
    constexpr degree_bounds(const static_matrix<N>& units, int trees) {
        for (unsigned set = 1; set < least.size(); ++set) {
            least[set] = trees;
            for (int u = 0; u < N; ++u) {
                for (int v = 0; v < u; ++v) {
                    const int between = units[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)];
                    const bool first = (set >> u & 1) == 1;
                    const bool second = (set >> v & 1) == 1;
                    if (first && second) { least[set] += between; }
                    if (first || second) { most[set] += between; }
                }
            }
        }
    }

    /// Some in-degrees of the ranks of `free` keep all bounds: no family of disjoint sets asks for more than their
    /// union may have.
    [[nodiscard]] constexpr bool can_be_met(unsigned free) const {
        std::array<int, std::size_t{1} << N> asked{};
        for (unsigned set = 1; set <= free; ++set) {
            if ((set & ~free) != 0) { continue; }
            const unsigned lowest = set & (~set + 1);
            for (unsigned other = set & ~lowest;; other = (other - 1) & set & ~lowest) {
                asked[set] = std::max(asked[set], least[set & ~other] + asked[other]);
                if (other == 0) { break; }
            }
            if (asked[set] > most[set]) { return false; }
        }
        return true;
    }

    /// The bounds of the sets of `free` once `v` (outside of `free`) has the in-degree `m`.
    constexpr void fix(int v, unsigned free, int m) {
        for (unsigned set = 1; set <= free; ++set) {
            if ((set & ~free) != 0) { continue; }
            least[set] = std::max(least[set], least[set | 1U << v] - m);
            most[set] = std::min(most[set], most[set | 1U << v] - m);
        }
    }
};

/// In-degrees with which `trees` arborescences leave `root`; the root gets the rest.
template <int N>
[[nodiscard]] constexpr std::array<int, N> good_degrees(const static_matrix<N>& units, int root, int trees) {
    degree_bounds<N> bounds(units, trees);
    const unsigned all = (1U << N) - 1;
    unsigned free = all & ~(1U << root);
    std::array<int, N> degree{};
    int sum = 0;
    for (int v = 0; v < N; ++v) {
        if (v == root) { continue; }
        free &= ~(1U << v);
        int m = bounds.least[std::size_t{1} << v];
        for (;; ++m) {
            if (m > bounds.most[std::size_t{1} << v]) { throw "the links cannot hold so many trees"; }
            degree_bounds<N> rest = bounds;
            rest.fix(v, free, m);
            if (rest.can_be_met(free)) {
                bounds = rest;
                break;
            }
        }
        degree[static_cast<std::size_t>(v)] = m;
        sum += m;
    }
    degree[static_cast<std::size_t>(root)] = bounds.most[0] - sum;
    return degree;
}

/// The nearest rank that is reached from `from` along `arcs` and is entered by more than it should be (`missing` below
/// 0), or -1; `before` names the rank before each one on the ways from `from`.
template <int N>
[[nodiscard]] constexpr int find_surplus(const static_matrix<N>& arcs, int from, const std::array<int, N>& missing,
                                         std::array<int, N>& before) {
    before.fill(-1);
    before[static_cast<std::size_t>(from)] = from;
    std::array<int, N> queue{from};
    for (int next = 0, end = 1; next < end; ++next) {
        const int u = queue[static_cast<std::size_t>(next)];
        if (missing[static_cast<std::size_t>(u)] < 0) { return u; }
        for (int v = 0; v < N; ++v) {
            const bool arc = arcs[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)] > 0;
            if (!arc || before[static_cast<std::size_t>(v)] != -1) { continue; }
            before[static_cast<std::size_t>(v)] = u;
            queue[static_cast<std::size_t>(end++)] = v;
        }
    }
    return -1;
}

/// Units of each link, some one way and some the other, so that `trees` arborescences leave `root`.
template <int N>
[[nodiscard]] constexpr static_matrix<N> orient(const static_matrix<N>& units, int root, int trees) {
    static_matrix<N> arcs{};
    std::array<int, N> missing = good_degrees<N>(units, root, trees);
    for (std::size_t u = 0; u < N; ++u) {
        for (std::size_t v = u + 1; v < N; ++v) {
            arcs[u][v] = units[u][v];
            missing[v] -= units[u][v];
        }
    }
    std::array<int, N> before{};
    for (int poor = 0; poor < N; ++poor) {
        while (missing[static_cast<std::size_t>(poor)] > 0) {
            // Turning a way round gives one end more to enter and the other less, and nothing between them.
            const int rich = find_surplus<N>(arcs, poor, missing, before);
            if (rich == -1) { throw "the links have no such orientation"; }
            int amount = std::min(missing[static_cast<std::size_t>(poor)], -missing[static_cast<std::size_t>(rich)]);
            for (int v = rich; v != poor; v = before[static_cast<std::size_t>(v)]) {
                const auto u = static_cast<std::size_t>(before[static_cast<std::size_t>(v)]);
                amount = std::min(amount, arcs[u][static_cast<std::size_t>(v)]);
            }
            for (int v = rich; v != poor; v = before[static_cast<std::size_t>(v)]) {
                const auto u = static_cast<std::size_t>(before[static_cast<std::size_t>(v)]);
                arcs[u][static_cast<std::size_t>(v)] -= amount;
                arcs[static_cast<std::size_t>(v)][u] += amount;
            }
            missing[static_cast<std::size_t>(poor)] -= amount;
            missing[static_cast<std::size_t>(rich)] += amount;
        }
    }
    return arcs;
}

} // namespace blink::detail
