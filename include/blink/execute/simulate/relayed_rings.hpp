// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Rings some of whose hops lead through another rank, as NCCL forms them since 2.8.
///
/// Where NVLink joins two GPUs of a communicator only through a third one of it, NCCL (src/graph/paths.cc) takes the
/// way through that one, at most one, as a hop (`PATH_NVB`): the data rest in its memory, and it spends no thread on
/// them. Which third one is fixed for each pair: the one over which the way is widest.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/simulate/baselines.hpp>
#include <blink/execute/simulate/disjoint_orders.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// `f` and, for every two ranks without a hop over fast links, the widest way over two of these through one rank (the
/// lowest among equals). Such a hop loads both links; `add_hop` would refuse it, since a packing has no such hops.
[[nodiscard]] inline fabric with_hops_through_ranks(const fabric& f) {
    const detail::lane_graph fast(f, false);
    fabric wider = f;
    for (int from = 0; from < f.ranks; ++from) {
        for (int to = 0; to < f.ranks; ++to) {
            if (from == to || fast.hop(from, to) >= 0) { continue; }
            arc best{from, to, {}};
            for (int via = 0; via < f.ranks; ++via) {
                const int first = fast.hop(from, via);
                const int second = fast.hop(via, to);
                if (via == from || via == to || first < 0 || second < 0) { continue; }
                arc way{from, to, f.arcs[static_cast<std::size_t>(first)].route};
                const auto& onward = f.arcs[static_cast<std::size_t>(second)].route;
                way.route.insert(way.route.end(), onward.begin(), onward.end());
                if (best.route.empty() || hop_GBps(f, way) > hop_GBps(f, best)) { best = std::move(way); }
            }
            if (!best.route.empty()) { wider.arcs.push_back(std::move(best)); }
        }
    }
    return wider;
}

namespace detail {

/// The rings with the highest rate among: over fast links straight; with hops through ranks; over PCIe.
struct ring_choice {
    blink::fabric fabric;
    chosen_orders rings;
};

[[nodiscard]] inline ring_choice choose_relayed_rings(const fabric& f) {
    const fabric wider = with_hops_through_ranks(f);
    ring_choice best{wider, {find_orders(wider, true, false), "", false}};
    int count = 0;
    for (const rated_order& r : best.rings.orders) { count += std::max(r.lanes, 1); }
    best.rings.label = std::to_string(count) + " NVLink ring" + (count == 1 ? "" : "s") + " through ranks";
    try {
        chosen_orders straight = choose_orders(f, true);
        if (best.rings.orders.empty() || total_GBps(straight.orders) >= total_GBps(best.rings.orders)) {
            best = {f, std::move(straight)};
        }
    } catch (const plan_error&) {
        if (best.rings.orders.empty()) { throw; }
    }
    return best;
}

} // namespace detail

/// AllReduce, broadcast or reduce over rings, with hops through ranks where these make the rings faster; else as
/// `ring_allreduce` and `ring_rooted`. Never slower than those.
/// @throw plan_error where the hops form no ring even so, usage_error for an unknown root or a sharded collective
[[nodiscard]] inline baseline relayed_rings(const fabric& f, collective kind, int root = 0) {
    if (kind != collective::allreduce) { detail::check_rooted(f, kind, root); }
    if (f.ranks == 1) { return detail::alone(f, kind); }
    const detail::ring_choice chosen = detail::choose_relayed_rings(f);
    return kind == collective::allreduce ? detail::allreduce_over(chosen.fabric, chosen.rings)
                                         : detail::rooted_over(chosen.fabric, chosen.rings, kind, root);
}

} // namespace blink
