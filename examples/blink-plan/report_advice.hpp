// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs to give out, for people and for scripts.
#pragma once

#include <blink/advise.hpp>
#include <blink/core/json.hpp>
#include <blink/core/text.hpp>

#include <cstdint>
#include <string>

#include "report_text.hpp"

namespace blink_plan {

struct advice_report {
    std::string machine;
    blink::advice advice;
};

[[nodiscard]] inline std::string rates_as_table(const blink::advice& a, const blink::choice_rates& r) {
    const auto row = [](const char* what, double GBps, const std::string& words) {
        return "  " + left(what, 10) + right(blink::format_fixed(GBps, 2) + " GB/s", 12) + "   " + words + "\n";
    };
    const auto named = [](const blink::rated_choice& c) {
        const std::uint64_t others = c.equals - 1;
        return (c.gpus.size() == 1 ? "GPU " : "GPUs ") + blink::format_ranks(c.gpus) +
               (others > 0 ? ", and " + counted(others, "other choice") + " as well" : "");
    };
    std::string mean = "over " + counted(a.choices, "choice");
    if (a.count > 1 && r.fast < a.choices) {
        mean += "; NVLink and network join " + std::to_string(r.fast) + " of them";
        if (r.fast > 0) { mean += ", with a mean of " + blink::format_fixed(r.fast_mean_GBps, 2) + " GB/s"; }
    }
    return row("best", r.best.GBps, named(r.best)) + row("mean", r.mean_GBps, mean) +
           row("worst", r.worst.GBps, named(r.worst));
}

[[nodiscard]] inline std::string to_text(const advice_report& r) {
    const blink::advice& a = r.advice;
    std::string text = r.machine + ": which " + std::to_string(a.count) + " of " + counted(a.candidates.size(), "GPU") +
                       " (" + blink::format_ranks(a.candidates) + ") to give out for " +
                       std::string(blink::to_string(a.kind)) + "\n\nalone\n" + rates_as_table(a, a.alone);
    if (a.count < static_cast<int>(a.candidates.size())) {
        text += "\nwith the GPUs that are left as relays\n" + rates_as_table(a, a.relayed);
    }
    return text + "\n  " + left("planned in", 10) + right(blink::format_seconds(a.seconds), 12) + "   " +
           counted(a.planned, "choice") + " planned\n";
}

[[nodiscard]] inline blink::json::value to_json(const blink::choice_rates& r) {
    const auto named = [](const blink::rated_choice& c) {
        return blink::json::object{{"ranks", blink::json::value::list(c.gpus)},
                                   {"rate_GBps", c.GBps},
                                   {"equals", static_cast<double>(c.equals)}};
    };
    return blink::json::object{{"best", named(r.best)},
                               {"worst", named(r.worst)},
                               {"mean_GBps", r.mean_GBps},
                               {"fast", static_cast<double>(r.fast)},
                               {"fast_mean_GBps", r.fast_mean_GBps}};
}

[[nodiscard]] inline blink::json::value to_json(const advice_report& r) {
    const blink::advice& a = r.advice;
    return blink::json::object{{"topology", r.machine},
                               {"collective", blink::to_string(a.kind)},
                               {"candidates", blink::json::value::list(a.candidates)},
                               {"count", a.count},
                               {"choices", static_cast<double>(a.choices)},
                               {"planned", static_cast<double>(a.planned)},
                               {"alone", to_json(a.alone)},
                               {"relayed", to_json(a.relayed)},
                               {"seconds", a.seconds}};
}

} // namespace blink_plan
