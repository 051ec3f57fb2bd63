// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What no allgather and no reduce-scatter can beat, exactly, with the cut that proves it.
///
/// Every rank owns a shard. Of a set S of ranks |S| shards of n must leave, so the rate, counted in the larger buffer,
/// is at most n * (what the links carry out of S) / |S|. The weakest set is found by Newton's method on cuts: give a
/// source an arc of rate/n to every rank; where the flow from it to some rank is less than the rate, the smallest cut
/// is a set that lowers the rate, and the search goes on from there.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/max_flow.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// The rate that the ranks within `side` allow, and the cut; infinite where the side holds no rank or all of them.
[[nodiscard]] inline certificate forest_cut(const fabric& f, bool reversed, const std::vector<bool>& side) {
    const auto inside = [&](int v) { return side[static_cast<std::size_t>(v)]; };
    double leaving = 0;
    for (const link& l : f.links) {
        if (inside(reversed ? l.to : l.from) && !inside(reversed ? l.from : l.to)) { leaving += l.GBps; }
    }
    certificate c{std::numeric_limits<double>::infinity(), {{}, {}}};
    for (int v = 0; v < f.ranks; ++v) { c.parts[inside(v) ? 0 : 1].push_back(v); }
    if (c.parts[0].empty() || c.parts[1].empty()) { return c; }
    c.GBps = f.ranks * leaving / static_cast<double>(c.parts[0].size());
    return c;
}

/// The machine's links with a source, the vertex after the last, that gives every rank rate/n.
[[nodiscard]] inline flow_network shard_network(const fabric& f, bool reversed, double rate) {
    flow_network network(f.vertices + 1);
    for (const link& l : f.links) { network.add(reversed ? l.to : l.from, reversed ? l.from : l.to, l.GBps); }
    for (int v = 0; v < f.ranks; ++v) { network.add(f.vertices, v, rate / f.ranks); }
    return network;
}

} // namespace detail

/// Bound of an allgather, or of a reduce-scatter, whose data flow the other way. The first part of the certificate is
/// the set whose shards cannot leave (or reach it) faster.
[[nodiscard]] inline certificate forest_bound(const fabric& f, collective kind) {
    const bool reversed = kind == collective::reduce_scatter;
    certificate best{std::numeric_limits<double>::infinity(), {}};
    const auto offer = [&](const std::vector<bool>& side) {
        certificate c = detail::forest_cut(f, reversed, side);
        if (c.GBps < best.GBps * (1 - 1e-12)) {
            best = std::move(c);
            return true;
        }
        return false;
    };
    for (int v = 0; v < f.ranks; ++v) {
        std::vector<bool> others(static_cast<std::size_t>(f.vertices), true);
        others[static_cast<std::size_t>(v)] = false;
        offer(others);
    }
    // A rate is confirmed by one flow to each rank; the first that falls short gives the next rate.
    int confirmed = 0;
    for (int v = 0; best.GBps > 0 && confirmed < f.ranks;) {
        const double rate = best.GBps;
        flow_network network = detail::shard_network(f, reversed, rate);
        for (bool lower = false; !lower && confirmed < f.ranks;) {
            lower =
                network.solve(f.vertices, v, rate * (1 - 1e-12)) < rate * (1 - 1e-12) && offer(network.source_side());
            confirmed = lower ? 0 : confirmed + 1;
            if (!lower) { v = (v + 1) % f.ranks; }
        }
    }
    return best;
}

/// Disjoint sets of ranks into which an allgather at the rate of `forest_bound` can send no more, the largest first.
/// Where they cover all ranks, their partition shows that no allreduce is faster than half of that rate.
[[nodiscard]] inline std::vector<std::vector<int>> full_sets(const fabric& f, double rate) {
    flow_network network = detail::shard_network(f, false, rate);
    std::vector<std::vector<int>> sets;
    std::vector<bool> taken(static_cast<std::size_t>(f.ranks), false);
    for (int v = 0; v < f.ranks; ++v) {
        if (taken[static_cast<std::size_t>(v)]) { continue; }
        (void)network.solve(f.vertices, v);
        const std::vector<bool> side = network.sink_side(v);
        std::vector<int> set;
        for (int u = 0; u < f.ranks; ++u) {
            if (side[static_cast<std::size_t>(u)]) { set.push_back(u); }
        }
        if (static_cast<int>(set.size()) == f.ranks) { continue; }
        for (const int u : set) { taken[static_cast<std::size_t>(u)] = true; }
        sets.push_back(std::move(set));
    }
    std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    std::fill(taken.begin(), taken.end(), false);
    std::erase_if(sets, [&](const std::vector<int>& set) {
        const bool met = std::any_of(set.begin(), set.end(), [&](int v) { return taken[static_cast<std::size_t>(v)]; });
        for (const int v : set) { taken[static_cast<std::size_t>(v)] = true; }
        return met;
    });
    return sets;
}

} // namespace blink
