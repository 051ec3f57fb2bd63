// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of `plan_fabric` and `make_plan`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/pack.hpp>
#include <blink/packing/relay_fabric.hpp>
#include <blink/packing/root_candidates.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

BLINK_INLINE fabric plan_fabric(const topology& machine, std::span<const int> gpus, std::span<const int> relays,
                                link_choice links, collective kind, int root) {
    const topology g = induced(machine, gpus, relays);
    return relays.empty() ? make_fabric(g, links) : make_relay_fabric(g, links, kind, root);
}

BLINK_INLINE plan make_plan(const topology& machine, std::span<const int> gpus, collective kind, int root,
                            const plan_options& options) {
    const auto start = std::chrono::steady_clock::now();
    const int ranks = static_cast<int>(gpus.size());
    if (root != best_root && (root < 0 || root >= ranks)) {
        throw usage_error(std::string(to_string(kind)) + ": root " + std::to_string(root) +
                          " is none of the ranks 0.." + std::to_string(ranks - 1));
    }
    plan p{machine, {gpus.begin(), gpus.end()}, options.links, {}, {}, {}, 0, options.relays};
    const auto hops = [&](int r) { return plan_fabric(machine, gpus, p.relays, p.links, kind, r); };
    const auto deepest = [&](const packing& candidate) {
        int d = 0;
        for (const packed_tree& t : candidate.trees) { d = std::max(d, depth(t, ranks)); }
        return d;
    };
    const bool search = is_rooted(kind) && root == best_root;
    const int first = search ? 0 : std::max(root, 0);
    const fabric plain = hops(first);
    p.fabric = plain;
    p.packing = pack_on_any_route(p.fabric, kind, first, options.pack);
    const std::vector<int> roots = search ? root_candidates(plain) : std::vector<int>{first};
    for (const int r : roots) {
        if (r == first) { continue; }
        fabric own = p.relays.empty() ? plain : hops(r);
        packing other = pack_on_any_route(own, kind, r, options.pack);
        const bool faster = other.GBps > p.packing.GBps * (1 + 1e-9);
        const bool flatter = other.GBps > p.packing.GBps * (1 - 1e-9) && deepest(other) < deepest(p.packing);
        if (faster || flatter) {
            p.packing = std::move(other);
            p.fabric = std::move(own);
        }
    }
    p.schedule = make_schedule(p.packing);
    p.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return p;
}

} // namespace blink
