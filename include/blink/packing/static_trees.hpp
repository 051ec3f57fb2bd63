// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A packing in the form that the compiler can hold: trees as parents by rank, rates as whole numbers of a unit.
///
/// With integers every promise is exact: a link is full or it is not, and a bound is met or it is not.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/packing.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string>

namespace blink {

/// Most ranks that the compiler plans for: it looks at all their subsets.
inline constexpr int most_static_ranks = 8;

/// Direct links between ranks, each way, in whole multiples of one unit.
template <int N>
struct static_graph {
    double unit_GBps = 0;
    std::array<std::array<int, N>, N> capacity{}; ///< from, to
};

/// A spanning tree and its rate in units.
template <int N>
struct static_tree_rate {
    int root = 0;
    int units = 0;
    std::array<int, N> parent{}; ///< by rank; -1 for the root

    /// Hops from the root to `rank`; -1 where the parents lead round in a circle.
    [[nodiscard]] constexpr int level(int rank) const {
        int hops = 0;
        for (; parent[static_cast<std::size_t>(rank)] != -1; rank = parent[static_cast<std::size_t>(rank)]) {
            if (++hops == N) { return -1; }
        }
        return rank == root ? hops : -1;
    }
    [[nodiscard]] constexpr int depth() const {
        int deepest = 0;
        for (int v = 0; v < N; ++v) { deepest = std::max(deepest, level(v)); }
        return deepest;
    }
};

/// Trees among N ranks, with the bound and the groups that prove it.
template <int N>
struct static_trees {
    static constexpr int ranks = N;
    static constexpr int most = 32; ///< trees

    collective kind = collective::allreduce;
    int root = 0;         ///< of a broadcast
    double unit_GBps = 0; ///< a link's unit, or a share of it
    int units = 0;        ///< the rate: sum of the trees' units
    int count = 0;        ///< trees that are used
    std::array<static_tree_rate<N>, most> trees{};
    int crossing = 0;          ///< units between the groups
    int hops = 1;              ///< how often a tree crosses between the groups, at least
    std::array<int, N> part{}; ///< group of each rank

    [[nodiscard]] constexpr double GBps() const { return units * unit_GBps; }
    /// No plan is faster: units between the groups over the hops that a tree needs there.
    [[nodiscard]] constexpr double bound_GBps() const { return crossing * unit_GBps / hops; }
    [[nodiscard]] constexpr int depth() const {
        int deepest = 0;
        for (int t = 0; t < count; ++t) { deepest = std::max(deepest, trees[static_cast<std::size_t>(t)].depth()); }
        return deepest;
    }
    /// Units that the trees send from `u` straight to `v`; an allreduce uses each edge both ways.
    [[nodiscard]] constexpr int load(int u, int v) const {
        int sum = 0;
        for (int t = 0; t < count; ++t) {
            const static_tree_rate<N>& tree = trees[static_cast<std::size_t>(t)];
            const bool down = tree.parent[static_cast<std::size_t>(v)] == u;
            const bool up = kind == collective::allreduce && tree.parent[static_cast<std::size_t>(u)] == v;
            if (down || up) { sum += tree.units; }
        }
        return sum;
    }
};

/// True where every tree spans the ranks, no link carries more than it can, and the rate is the sum of the trees' and
/// not above the bound. The units of `t` and of `g` are the same.
template <int N>
[[nodiscard]] constexpr bool keeps_its_promise(const static_trees<N>& t, const static_graph<N>& g) {
    int sum = 0;
    for (int i = 0; i < t.count; ++i) {
        const static_tree_rate<N>& tree = t.trees[static_cast<std::size_t>(i)];
        for (int v = 0; v < N; ++v) {
            if (tree.level(v) == -1) { return false; }
        }
        if (tree.units < 1 || (t.kind == collective::broadcast && tree.root != t.root)) { return false; }
        sum += tree.units;
    }
    for (int u = 0; u < N; ++u) {
        for (int v = 0; v < N; ++v) {
            if (t.load(u, v) > g.capacity[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)]) { return false; }
        }
    }
    return sum == t.units && t.units * t.hops <= t.crossing;
}

/// The direct links among `gpus` that are no PCIe, in units of their greatest common divisor.
/// What cannot be is a compile error that names the reason.
template <int N, capacity_graph G>
[[nodiscard]] consteval static_graph<N> direct_links(const G& machine, const std::array<int, N>& gpus) {
    constexpr double steps_per_GBps = 1000;
    static_graph<N> g;
    for (int i = 0; i < N; ++i) {
        const auto same = [&](int gpu) { return gpu == gpus[static_cast<std::size_t>(i)]; };
        if (std::ranges::count_if(gpus, same) != 1) { throw "a GPU is given twice"; }
        if (gpus[static_cast<std::size_t>(i)] < 0 || gpus[static_cast<std::size_t>(i)] >= machine.gpu_count()) {
            throw "the machine has no such GPU";
        }
    }
    int unit = 0;
    for (const link& l : machine.links()) {
        const auto from = static_cast<std::size_t>(std::ranges::find(gpus, l.from) - gpus.begin());
        const auto to = static_cast<std::size_t>(std::ranges::find(gpus, l.to) - gpus.begin());
        if (l.kind == link_kind::pcie || from == gpus.size() || to == gpus.size()) { continue; }
        const int steps = static_cast<int>(l.GBps * steps_per_GBps + 0.5);
        if (steps < 1 || steps / steps_per_GBps != l.GBps) { throw "a link is no whole number of MB/s"; }
        g.capacity[from][to] += steps;
        unit = std::gcd(unit, steps);
    }
    for (auto& row : g.capacity) {
        for (int& c : row) { c = unit > 0 ? c / unit : 0; }
    }
    g.unit_GBps = unit / steps_per_GBps;
    return g;
}

/// The same packing as a value of the planner. Hops are those of `f`, which joins the same ranks.
/// @throw plan_error where `f` has not a hop that a tree takes
template <int N>
[[nodiscard]] packing to_packing(const static_trees<N>& made, const fabric& f) {
    const auto hop = [&](int from, int to) {
        const auto leads = [&](const arc& a) { return a.from == from && a.to == to; };
        const auto found = std::ranges::find_if(f.arcs, leads);
        if (found == f.arcs.end()) {
            throw plan_error("a tree known to the compiler takes the hop " + std::to_string(from) + " -> " +
                             std::to_string(to) + ", which the machine does not have");
        }
        return static_cast<int>(found - f.arcs.begin());
    };
    packing p{made.kind, N, made.root, {}, made.GBps(), {made.bound_GBps(), {}}, {}};
    for (int t = 0; t < made.count; ++t) {
        const static_tree_rate<N>& tree = made.trees[static_cast<std::size_t>(t)];
        packed_tree filled{tree.root, tree.units * made.unit_GBps, {}};
        for (int level = 1; level < N; ++level) {
            for (int v = 0; v < N; ++v) {
                const int parent = tree.parent[static_cast<std::size_t>(v)];
                if (tree.level(v) != level) { continue; }
                filled.edges.push_back({parent, v, hop(parent, v), reduces(made.kind) ? hop(v, parent) : -1});
            }
        }
        p.trees.push_back(std::move(filled));
    }
    p.bound.parts.resize(static_cast<std::size_t>(*std::ranges::max_element(made.part)) + 1);
    for (int v = 0; v < N; ++v) {
        p.bound.parts[static_cast<std::size_t>(made.part[static_cast<std::size_t>(v)])].push_back(v);
    }
    return p;
}

} // namespace blink
