// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How often a call is repeated for a tuning.
#pragma once

#include <algorithm>

#include "options.hpp"
#include "samples.hpp"
#include "tune.hpp"

namespace blink_perf {

struct repeats {
    int calls;  ///< in a row
    int graphs; ///< replays of these; 0: no graph
};

[[nodiscard]] inline repeats repeats_of(const options& asked, const tuning_point& p) {
    return {asked.iterations > 0 ? asked.iterations : automatic_calls(p.bytes),
            p.in_graphs ? std::max(asked.graphs, 10) : 0};
}

} // namespace blink_perf
