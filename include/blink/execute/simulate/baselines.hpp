// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What others do on the same wires, as schedules: rings and chains.
///
/// NCCL's rings need a Hamiltonian cycle; without one over NVLink, NCCL up to 2.4 took PCIe instead. Its 'tree' is a
/// chain within a machine. Both are verified and simulated like Blink's own schedules.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/simulate/disjoint_orders.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// A schedule that Blink is compared with.
struct baseline {
    std::string label; ///< what it is, and over which wires
    schedule s;
    blink::fabric f; ///< where its hops are
    double GBps = 0; ///< what the links allow, for endless messages
};

namespace detail {

/// Orders over the fast wires, or else over PCIe, and how a label calls them.
struct chosen_orders {
    std::vector<rated_order> orders;
    std::string label;
    bool pcie = false;
};

[[nodiscard]] inline chosen_orders choose_orders(const fabric& f, bool closed) {
    const std::string name = closed ? "ring" : "chain";
    for (const bool pcie : {false, true}) {
        chosen_orders c{find_orders(f, closed, pcie), "", pcie};
        if (c.orders.empty()) { continue; }
        int count = 0;
        for (const rated_order& r : c.orders) { count += std::max(r.lanes, 1); }
        c.label = std::to_string(count) + (pcie ? " PCIe " : " NVLink ") + name + (count > 1 ? "s" : "");
        if (pcie && std::ranges::any_of(f.links, [](const link& l) { return l.kind != link_kind::pcie; })) {
            c.label += " (NVLink has none)";
        }
        return c;
    }
    throw plan_error("no " + name + " among " + std::to_string(f.ranks) + " ranks over the hops of the fabric");
}

[[nodiscard]] inline lane empty_lane(int ranks, int root, double share) {
    return {root, share, std::vector<role>(static_cast<std::size_t>(ranks))};
}

/// Data flow up along `way` to its last rank.
inline void reduce_along(lane& l, const lane_graph& g, const rank_order& way) {
    for (std::size_t i = 0; i + 1 < way.size(); ++i) {
        role& from = l.roles[static_cast<std::size_t>(way[i])];
        from.reduce_to = way[i + 1];
        from.reduce_arc = g.hop(way[i], way[i + 1]);
        l.roles[static_cast<std::size_t>(way[i + 1])].reduce_from.push_back(way[i]);
    }
}

/// Data flow down along `way` from its first rank.
inline void broadcast_along(lane& l, const lane_graph& g, const rank_order& way) {
    for (std::size_t i = 0; i + 1 < way.size(); ++i) {
        role& to = l.roles[static_cast<std::size_t>(way[i + 1])];
        to.broadcast_from = way[i];
        to.broadcast_arc = g.hop(way[i], way[i + 1]);
        l.roles[static_cast<std::size_t>(way[i])].broadcast_to.push_back(way[i + 1]);
    }
}

[[nodiscard]] inline rank_order rotated(rank_order order, std::size_t first) {
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(first), order.end());
    return order;
}

[[nodiscard]] inline double total_GBps(const std::vector<rated_order>& orders) {
    double sum = 0;
    for (const rated_order& r : orders) { sum += r.GBps; }
    return sum;
}

/// One rank needs nobody.
[[nodiscard]] inline baseline alone(const fabric& f, collective kind) {
    return {"1 rank alone", {kind, 1, 0, {empty_lane(1, 0, 1)}}, f, 0};
}

} // namespace detail

namespace detail {

/// AllReduce over rings that are chosen.
[[nodiscard]] inline baseline allreduce_over(const fabric& f, const chosen_orders& rings) {
    const lane_graph g(f, rings.pcie);
    const double total = total_GBps(rings.orders);
    const double n = f.ranks;
    baseline b{rings.label, {collective::allreduce, f.ranks, 0, {}}, f, total * n / (2 * (n - 1))};
    for (const rated_order& ring : rings.orders) {
        for (std::size_t i = 0; i < ring.order.size(); ++i) {
            lane l = empty_lane(f.ranks, ring.order[i], ring.GBps / total / n);
            reduce_along(l, g, rotated(ring.order, (i + 1) % ring.order.size()));
            broadcast_along(l, g, rotated(ring.order, i));
            b.s.lanes.push_back(std::move(l));
        }
    }
    return b;
}

/// Broadcast or reduce over rings that are chosen: each a pipeline from the root, or to it.
[[nodiscard]] inline baseline rooted_over(const fabric& f, const chosen_orders& rings, collective kind, int root) {
    const lane_graph g(f, rings.pcie);
    baseline b{rings.label, {kind, f.ranks, root, {}}, f, total_GBps(rings.orders)};
    for (const rated_order& ring : rings.orders) {
        lane l = empty_lane(f.ranks, root, ring.GBps / b.GBps);
        const auto at = static_cast<std::size_t>(std::ranges::find(ring.order, root) - ring.order.begin());
        if (kind == collective::broadcast) {
            broadcast_along(l, g, rotated(ring.order, at));
        } else {
            reduce_along(l, g, rotated(ring.order, (at + 1) % ring.order.size()));
        }
        b.s.lanes.push_back(std::move(l));
    }
    return b;
}

/// @throw usage_error for an unknown root or another collective
inline void check_rooted(const fabric& f, collective kind, int root) {
    if (!is_rooted(kind) || root < 0 || root >= f.ranks) {
        throw usage_error("ring: " + std::string(to_string(kind)) + " from rank " + std::to_string(root) + " among " +
                          std::to_string(f.ranks) + " ranks");
    }
}

} // namespace detail

/// AllReduce over as many lane-disjoint rings as there are, each direction its own. In a ring of n ranks each rank
/// is the root of one n-th of the data, which is reduced around the ring to it and broadcast onward the same way.
/// @throw plan_error where the hops form no ring
[[nodiscard]] inline baseline ring_allreduce(const fabric& f) {
    if (f.ranks == 1) { return detail::alone(f, collective::allreduce); }
    return detail::allreduce_over(f, detail::choose_orders(f, true));
}

/// Broadcast or reduce over the same rings: each is a pipeline from the root, or to it.
/// @throw usage_error for an unknown root or another collective
/// @throw plan_error where the hops form no ring
[[nodiscard]] inline baseline ring_rooted(const fabric& f, collective kind, int root) {
    detail::check_rooted(f, kind, root);
    if (f.ranks == 1) { return detail::alone(f, kind); }
    return detail::rooted_over(f, detail::choose_orders(f, true), kind, root);
}

[[nodiscard]] inline baseline ring_broadcast(const fabric& f, int root) {
    return ring_rooted(f, collective::broadcast, root);
}

[[nodiscard]] inline baseline ring_reduce(const fabric& f, int root) {
    return ring_rooted(f, collective::reduce, root);
}

/// AllReduce over lane-disjoint Hamiltonian paths: reduced to the head of the chain, broadcast back.
/// @throw plan_error where the hops form no chain
[[nodiscard]] inline baseline chain_allreduce(const fabric& f) {
    if (f.ranks == 1) { return detail::alone(f, collective::allreduce); }
    const auto chosen = detail::choose_orders(f, false);
    const detail::lane_graph g(f, chosen.pcie);
    baseline b{chosen.label, {collective::allreduce, f.ranks, 0, {}}, f, detail::total_GBps(chosen.orders)};
    for (const detail::rated_order& chain : chosen.orders) {
        lane l = detail::empty_lane(f.ranks, chain.order.front(), chain.GBps / b.GBps);
        detail::reduce_along(l, g, {chain.order.rbegin(), chain.order.rend()});
        detail::broadcast_along(l, g, chain.order);
        b.s.lanes.push_back(std::move(l));
    }
    return b;
}

/// AllGather or ReduceScatter over the same rings: the half of an AllReduce that each of them is.
/// @throw plan_error where the hops form no ring, usage_error for another collective
[[nodiscard]] inline baseline ring_sharded(const fabric& f, collective kind) {
    if (!is_sharded(kind)) { throw usage_error("ring_sharded: " + std::string(to_string(kind)) + " is not sharded"); }
    baseline b = ring_allreduce(f);
    b.s.kind = kind;
    b.GBps *= 2;
    for (lane& l : b.s.lanes) {
        for (role& r : l.roles) {
            if (kind == collective::allgather) {
                r.reduce_from.clear();
                r.reduce_to = no_rank;
                r.reduce_arc = -1;
            } else {
                r.broadcast_to.clear();
                r.broadcast_from = no_rank;
                r.broadcast_arc = -1;
            }
        }
    }
    return b;
}

/// What there is to compare with for `kind` among all GPUs of `g` (see `induced`), PCIe included: rings, and for an
/// allreduce chains.
/// @throw plan_error where the GPUs cannot reach each other, usage_error as `ring_rooted`
[[nodiscard]] inline std::vector<baseline> baselines(const topology& g, collective kind, int root = 0) {
    const fabric f = make_fabric(g, link_choice::all);
    if (is_rooted(kind)) { return {ring_rooted(f, kind, root)}; }
    if (kind == collective::allreduce) { return {ring_allreduce(f), chain_allreduce(f)}; }
    return {ring_sharded(f, kind)};
}

} // namespace blink
