// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Schedules that no planner was asked for: random trees, and rings whose two phases run over different trees.
#pragma once

#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace made {

/// `lanes` random trees with random shares; every shape from a star to a chain can occur.
inline blink::schedule random_trees(blink::collective kind, int ranks, int lanes, unsigned seed, int root = 0) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    blink::packing p;
    p.kind = kind;
    p.ranks = ranks;
    p.root = root;
    for (int l = 0; l < lanes; ++l) {
        std::vector<int> order(static_cast<std::size_t>(ranks));
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random);
        if (blink::is_rooted(kind)) { std::iter_swap(order.begin(), std::ranges::find(order, root)); }
        blink::packed_tree t{order[0], 1.0 + below(5), {}};
        for (int i = 1; i < ranks; ++i) {
            const int reach = 1 + below(i); // 1: a chain; i: anywhere
            t.edges.push_back(
                {order[static_cast<std::size_t>(i - 1 - below(reach))], order[static_cast<std::size_t>(i)], -1, -1});
        }
        p.GBps += t.GBps;
        p.trees.push_back(std::move(t));
    }
    return blink::make_schedule(p);
}

/// Every rank but rank 0, the root, is its child.
inline blink::schedule star_schedule(blink::collective kind, int ranks) {
    blink::packing p;
    p.kind = kind;
    p.ranks = ranks;
    p.GBps = 1;
    p.trees.push_back({0, 1, {}});
    for (int r = 1; r < ranks; ++r) { p.trees[0].edges.push_back({0, r, -1, -1}); }
    return blink::make_schedule(p);
}

/// A sharded collective: every rank is the root of `lanes` random trees with equal shares of its shard.
inline blink::schedule random_forest(blink::collective kind, int ranks, int lanes, unsigned seed) {
    blink::schedule s{kind, ranks, 0, {}};
    for (int root = 0; root < ranks; ++root) {
        const auto rooted = blink::hands_on(kind) ? blink::collective::broadcast : blink::collective::reduce;
        const blink::schedule trees = random_trees(rooted, ranks, lanes, seed + static_cast<unsigned>(root), root);
        for (blink::lane l : trees.lanes) {
            l.share = 1.0 / ranks / static_cast<double>(trees.lanes.size());
            for (blink::role& r : l.roles) { std::ranges::sort(r.reduce_from); }
            s.lanes.push_back(std::move(l));
        }
    }
    return s;
}

/// An allreduce as rings do it: lane l gathers along the ring up to rank l, and its result goes on along the ring.
inline blink::schedule ring(int ranks) {
    blink::schedule s{blink::collective::allreduce, ranks, 0, {}};
    const auto at = [ranks](int r) { return (r + ranks) % ranks; };
    for (int l = 0; l < ranks; ++l) {
        blink::lane lane{l, 1.0 / ranks, std::vector<blink::role>(static_cast<std::size_t>(ranks))};
        for (int i = 1; i < ranks; ++i) {
            const int from = at(l + i), to = at(l + i + 1); // the last one gives to rank l
            lane.roles[static_cast<std::size_t>(from)].reduce_to = to;
            lane.roles[static_cast<std::size_t>(to)].reduce_from.push_back(from);
            const int next = at(l + i), before = at(l + i - 1);
            lane.roles[static_cast<std::size_t>(before)].broadcast_to.push_back(next);
            lane.roles[static_cast<std::size_t>(next)].broadcast_from = before;
        }
        s.lanes.push_back(std::move(lane));
    }
    return s;
}

} // namespace made
