// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Modelled times of a plan and of the rings and chains that it competes with.
#pragma once

#include <blink/execute/simulate/baselines.hpp>
#include <blink/execute/simulate/simulate.hpp>

#include <cstddef>
#include <string>

#include "report.hpp"

namespace blink_plan {

/// Times the plan and, where the wires have them, rings and chains, each with the chunk size that suits it. The
/// baselines may use the wires that the user chose; with the automatic choice NVLink, or PCIe where that has no ring.
inline void simulate_into(report& r, std::size_t bytes) {
    const blink::plan& p = r.plan;
    const auto time = [&](std::string name, std::string label, const blink::schedule& s, const blink::fabric& f) {
        const blink::simulation t = blink::simulate_best_chunk(s, f, bytes);
        r.simulated.push_back({std::move(name), std::move(label), t.seconds, t.GBps, t.chunk_bytes});
    };
    const auto time_baseline = [&](const char* name, const auto& make) {
        try {
            const blink::baseline b = make();
            time(name, b.label, b.s, b.f);
        } catch (const blink::plan_error&) { // these wires have no ring or chain: nothing to compare with
        }
    };
    r.simulated_bytes = bytes;
    time("blink", "Blink", p.schedule, p.fabric);
    // Rings and chains do without relays.
    blink::fabric wires = p.fabric;
    if (p.links == blink::link_choice::automatic || !p.relays.empty()) {
        const bool all = p.links == blink::link_choice::automatic;
        try {
            wires = blink::make_fabric(blink::induced(p.machine, p.gpus), all ? blink::link_choice::all : p.links);
        } catch (const blink::plan_error&) { return; } // without relays the ranks are apart
    }
    if (blink::is_rooted(p.packing.kind)) {
        time_baseline("ring", [&] { return blink::ring_rooted(wires, p.packing.kind, p.packing.root); });
    } else if (blink::is_sharded(p.packing.kind)) {
        time_baseline("ring", [&] { return blink::ring_sharded(wires, p.packing.kind); });
    } else {
        time_baseline("ring", [&] { return blink::ring_allreduce(wires); });
        time_baseline("chain", [&] { return blink::chain_allreduce(wires); });
    }
}

} // namespace blink_plan
