// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The report as the JSON object that scripts rely on.
#pragma once

#include <blink/core/json.hpp>
#include <blink/plan_json.hpp>

#include <string>

#include "report.hpp"

namespace blink_plan {

[[nodiscard]] inline blink::json::value simulated_json(const report& r) {
    blink::json::object timings;
    for (const timing& t : r.simulated) {
        timings.emplace_back(t.name, blink::json::object{{"bytes", r.simulated_bytes},
                                                         {"seconds", t.seconds},
                                                         {"GBps", t.GBps},
                                                         {"chunk_bytes", t.chunk_bytes}});
    }
    return timings;
}

/// The contract of the tool: what the library reports of a plan, and the modelled times where they were asked for.
[[nodiscard]] inline blink::json::value to_json(const report& r) {
    blink::json::object o = blink::plan_report(r.plan);
    if (!r.simulated.empty()) { o.emplace_back("simulated", simulated_json(r)); }
    return o;
}

} // namespace blink_plan
