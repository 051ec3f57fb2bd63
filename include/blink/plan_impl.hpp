// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `make_plan`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/pack.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <utility>

namespace blink {

BLINK_INLINE plan make_plan(const topology& machine, std::span<const int> gpus, collective kind, int root,
                            const plan_options& options) {
    const auto start = std::chrono::steady_clock::now();
    const int ranks = static_cast<int>(gpus.size());
    if (root != best_root && (root < 0 || root >= ranks)) {
        throw usage_error(std::string(to_string(kind)) + ": root " + std::to_string(root) +
                          " is none of the ranks 0.." + std::to_string(ranks - 1));
    }
    plan p{machine, {gpus.begin(), gpus.end()}, options.links, {}, {}, {}, 0};
    p.fabric = make_fabric(induced(machine, gpus), options.links);
    const auto deepest = [&](const packing& candidate) {
        int d = 0;
        for (const packed_tree& t : candidate.trees) { d = std::max(d, depth(t, ranks)); }
        return d;
    };
    const bool search = is_rooted(kind) && root == best_root;
    p.packing = pack_on_any_route(p.fabric, kind, search ? 0 : std::max(root, 0), options.pack);
    const auto own_arcs = static_cast<std::ptrdiff_t>(make_fabric(induced(machine, gpus), options.links).arcs.size());
    for (int r = 1; search && r < ranks; ++r) {
        fabric routes = p.fabric;
        routes.arcs.erase(routes.arcs.begin() + own_arcs, routes.arcs.end());
        packing other = pack_on_any_route(routes, kind, r, options.pack);
        const bool faster = other.GBps > p.packing.GBps * (1 + 1e-9);
        const bool flatter = other.GBps > p.packing.GBps * (1 - 1e-9) && deepest(other) < deepest(p.packing);
        if (faster || flatter) {
            p.packing = std::move(other);
            p.fabric = std::move(routes);
        }
    }
    p.schedule = make_schedule(p.packing);
    p.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return p;
}

} // namespace blink
