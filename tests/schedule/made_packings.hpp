// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Machines and packings made by hand, so that schedules can be tested without the packer.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/packing.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "made_machines.hpp"

namespace made {

using edges = std::vector<std::pair<int, int>>; ///< parent, child; each parent is the root or an earlier child

/// A machine and one packing on the hops between its GPUs.
struct world {
    blink::fabric fabric;
    blink::packing packing;
};

/// Every GPU joined to every other.
inline blink::topology complete(int gpus, double GBps) {
    const auto n = static_cast<std::size_t>(gpus);
    return wired("complete", gpus, std::vector<std::vector<int>>(n, std::vector<int>(n, 1)), GBps);
}

inline int hop(const blink::fabric& f, int from, int to) {
    for (std::size_t a = 0; a < f.arcs.size(); ++a) {
        if (f.arcs[a].from == from && f.arcs[a].to == to) { return static_cast<int>(a); }
    }
    return -1;
}

inline blink::packed_tree tree(const blink::fabric& f, blink::collective kind, int root, double GBps, const edges& e) {
    blink::packed_tree t{root, GBps, {}};
    for (const auto& [parent, child] : e) {
        const bool down = kind != blink::collective::reduce;
        t.edges.push_back(
            {parent, child, down ? hop(f, parent, child) : -1, blink::reduces(kind) ? hop(f, child, parent) : -1});
    }
    return t;
}

inline blink::packing pack(const blink::fabric& f, blink::collective kind, std::vector<blink::packed_tree> trees) {
    blink::packing p{kind, f.ranks, trees.front().root, std::move(trees), 0, {}, {}};
    for (const blink::packed_tree& t : p.trees) { p.GBps += t.GBps; }
    return p;
}

/// 0 - 1 - ... - n-1 with 25 GB/s a hop, rooted at 0.
inline world chain(int ranks, blink::collective kind, double GBps = 25) {
    blink::topology g("chain", ranks);
    edges e;
    for (int r = 1; r < ranks; ++r) {
        g.connect({r - 1, r, GBps, 1, blink::link_kind::nvlink, 0});
        e.emplace_back(r - 1, r);
    }
    const blink::fabric f = blink::make_fabric(g);
    return {f, pack(f, kind, {tree(f, kind, 0, GBps, e)})};
}

/// Rank 0 in the middle, 25 GB/s to every other.
inline world star(int ranks, blink::collective kind, double GBps = 25) {
    blink::topology g("star", ranks);
    edges e;
    for (int r = 1; r < ranks; ++r) {
        g.connect({0, r, GBps, 1, blink::link_kind::nvlink, 0});
        e.emplace_back(0, r);
    }
    const blink::fabric f = blink::make_fabric(g);
    return {f, pack(f, kind, {tree(f, kind, 0, GBps, e)})};
}

/// The six whole-link trees that broadcast from GPU 0 of a DGX-1V at the bound, 150 GB/s.
inline world dgx1v_broadcast() {
    const blink::fabric f = blink::make_fabric(dgx1v());
    const std::vector<edges> six{{{0, 2}, {2, 3}, {3, 7}, {7, 6}, {6, 4}, {4, 5}, {5, 1}},
                                 {{0, 1}, {1, 2}, {2, 3}, {2, 6}, {6, 5}, {6, 7}, {7, 4}},
                                 {{0, 4}, {4, 6}, {6, 2}, {6, 5}, {5, 7}, {7, 3}, {3, 1}},
                                 {{0, 3}, {3, 2}, {2, 1}, {1, 5}, {5, 6}, {6, 7}, {7, 4}},
                                 {{0, 4}, {4, 7}, {7, 5}, {7, 6}, {5, 1}, {1, 2}, {1, 3}},
                                 {{0, 3}, {3, 2}, {2, 1}, {1, 5}, {5, 6}, {5, 4}, {4, 7}}};
    std::vector<blink::packed_tree> trees;
    for (const edges& e : six) { trees.push_back(tree(f, blink::collective::broadcast, 0, 25, e)); }
    return {f, pack(f, blink::collective::broadcast, std::move(trees))};
}

/// `lanes` random trees on a complete machine whose links hold them all; rooted collectives have one root.
inline world random(int ranks, int lanes, blink::collective kind, unsigned seed) {
    std::mt19937 dice(seed);
    const auto below = [&dice](int n) { return static_cast<int>(dice() % static_cast<unsigned>(n)); };
    const blink::fabric f = blink::make_fabric(complete(ranks, 1000));
    std::vector<blink::packed_tree> trees;
    const int common = below(ranks);
    for (int l = 0; l < lanes; ++l) {
        std::vector<int> order(static_cast<std::size_t>(ranks));
        std::iota(order.begin(), order.end(), 0);
        for (int i = ranks - 1; i > 0; --i) {
            std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(below(i + 1))]);
        }
        if (blink::is_rooted(kind)) { std::swap(order[0], *std::ranges::find(order, common)); }
        edges e;
        for (int i = 1; i < ranks; ++i) {
            e.emplace_back(order[static_cast<std::size_t>(below(i))], order[static_cast<std::size_t>(i)]);
        }
        trees.push_back(tree(f, kind, order[0], 1 + below(20), e));
    }
    return {f, pack(f, kind, std::move(trees))};
}

} // namespace made
