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

inline void simulate_into(report& r, std::size_t bytes) {
    const blink::plan& p = r.plan;
    const auto time = [&](std::string name, const blink::schedule& s, const blink::fabric& f) {
        const blink::simulation t = blink::simulate_best_chunk(s, f, bytes);
        r.simulated.push_back({std::move(name), t.seconds, t.GBps, t.chunk_bytes});
    };
    r.simulated_bytes = bytes;
    time("blink", p.schedule, p.fabric);
}

} // namespace blink_plan
