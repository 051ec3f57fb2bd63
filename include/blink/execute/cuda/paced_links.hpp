// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Links of an emulated machine: when each is free again, and which of them a hop of a schedule crosses.
///
/// A link serves chunks one after the other, in the order in which they ask. Blocks of several lanes each ask for one
/// chunk at a time, so lanes that share a link get their turns of it.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace blink::cuda {

/// Links that a hop crosses at most: over PCIe from GPU to GPU through two sockets they are five.
inline constexpr int max_route = 8;

/// The way of one hop.
struct paced_route {
    std::uint16_t links[max_route] = {};
    std::uint16_t count = 0;
    std::uint32_t latency_ns = 0;
};

/// Links and routes of a schedule, as the host makes them.
struct paced_plan {
    std::vector<double> ns_per_byte; ///< by link
    std::vector<paced_route> routes; ///< by `route_index`
    int ranks = 0;
};

/// Where the route of the hop between `child` and its parent in `lane` stands.
[[nodiscard]] BLINK_HOST_DEVICE constexpr std::size_t route_index(int lane, int child, bool up, int ranks) {
    return (static_cast<std::size_t>(lane) * static_cast<std::size_t>(ranks) + static_cast<std::size_t>(child)) * 2 +
           (up ? 1 : 0);
}

/// What the hops of `s` cross in `f`, every link at `scale` times its rate.
/// @throw usage_error for a scale that is not positive
/// @throw plan_error where a hop is none of the fabric, or crosses more than `max_route` links
[[nodiscard]] inline paced_plan pace(const schedule& s, const fabric& f, double scale = 1) {
    if (!(scale > 0)) { throw usage_error("links at " + std::to_string(scale) + " times their rate carry nothing"); }
    paced_plan p{{}, std::vector<paced_route>(s.lanes.size() * static_cast<std::size_t>(s.ranks) * 2), s.ranks};
    for (const link& l : f.links) { p.ns_per_byte.push_back(1 / (l.GBps * scale)); }
    const auto add = [&](std::size_t lane, int child, bool up, int index) {
        const std::string who = "lane " + std::to_string(lane) + ", rank " + std::to_string(child);
        if (index < 0 || index >= static_cast<int>(f.arcs.size())) {
            throw plan_error(who + ": hop " + std::to_string(index) + " is none of the fabric");
        }
        const arc& a = f.arcs[static_cast<std::size_t>(index)];
        if (a.route.size() > max_route) {
            throw plan_error(who + ": its hop crosses " + std::to_string(a.route.size()) + " links, at most " +
                             std::to_string(max_route) + " are emulated");
        }
        paced_route& r = p.routes[route_index(static_cast<int>(lane), child, up, s.ranks)];
        double latency_us = 0;
        for (const int l : a.route) {
            r.links[r.count++] = static_cast<std::uint16_t>(l);
            latency_us += f.links[static_cast<std::size_t>(l)].latency_us;
        }
        r.latency_ns = static_cast<std::uint32_t>(latency_us * 1000);
    };
    for (std::size_t i = 0; i < s.lanes.size(); ++i) {
        for (int rank = 0; rank < s.ranks; ++rank) {
            const role& own = s.lanes[i].roles[static_cast<std::size_t>(rank)];
            if (own.reduce_to != no_rank) { add(i, rank, true, own.reduce_arc); }
            if (own.broadcast_from != no_rank) { add(i, rank, false, own.broadcast_arc); }
        }
    }
    return p;
}

} // namespace blink::cuda
