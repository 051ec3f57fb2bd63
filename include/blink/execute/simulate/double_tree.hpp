// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce over two binary trees, each with half of the data, such that a rank that forwards in the one is a leaf of
/// the other (Sanders, Speck and Traff, Two-tree algorithms for full bandwidth broadcast, reduction and scan, 2009).
///
/// NCCL has such trees between machines since 2.4; within a machine its trees are chains. Blink's paper compares with
/// double binary trees on a DGX-2.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/simulate/baselines.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>

namespace blink {

namespace detail {

/// Parent of position `at` among `count`, -1 at position 0, the root: odd positions are leaves, and a position that is
/// a multiple of 2^k and no higher power stands k levels above them.
[[nodiscard]] constexpr int binary_tree_parent(int at, int count) {
    if (at == 0) { return -1; }
    const int lowest = at & -at;
    const int parent = (at ^ lowest) | (lowest << 1);
    return parent < count ? parent : at ^ lowest;
}

/// GB/s at which `s` can run for endless messages: where its most loaded link is full.
[[nodiscard]] inline double rate_of(const schedule& s, const fabric& f) {
    const std::vector<double> load = link_load(s, f, 1);
    double rate = std::numeric_limits<double>::infinity();
    for (std::size_t l = 0; l < load.size(); ++l) {
        if (load[l] > 0) { rate = std::min(rate, f.links[l].GBps / load[l]); }
    }
    return rate;
}

} // namespace detail

/// The second tree is the first one mirrored for an even number of ranks, and shifted by one for an odd one.
/// @throw plan_error where two ranks that the trees join have no hop over fast links
[[nodiscard]] inline baseline double_tree_allreduce(const fabric& f) {
    if (f.ranks == 1) { return detail::alone(f, collective::allreduce); }
    const detail::lane_graph g(f, false);
    const int n = f.ranks;
    baseline b{"double binary tree", {collective::allreduce, n, 0, {}}, f, 0};
    const auto mirrored = [n](int at) { return n % 2 == 0 ? n - 1 - at : (at + 1) % n; };
    for (const bool second : {false, true}) {
        const auto rank_at = [&](int at) { return second ? mirrored(at) : at; };
        lane l = detail::empty_lane(n, rank_at(0), 0.5);
        for (int at = 1; at < n; ++at) {
            const int child = rank_at(at);
            const int parent = rank_at(detail::binary_tree_parent(at, n));
            role& below = l.roles[static_cast<std::size_t>(child)];
            role& above = l.roles[static_cast<std::size_t>(parent)];
            below.reduce_arc = g.hop(child, parent);
            below.broadcast_arc = g.hop(parent, child);
            if (below.reduce_arc < 0 || below.broadcast_arc < 0) {
                throw plan_error("double binary tree: no hop between ranks " + std::to_string(parent) + " and " +
                                 std::to_string(child));
            }
            below.reduce_to = below.broadcast_from = parent;
            above.reduce_from.push_back(child);
            above.broadcast_to.push_back(child);
        }
        b.s.lanes.push_back(std::move(l));
    }
    b.GBps = detail::rate_of(b.s, f);
    return b;
}

} // namespace blink
