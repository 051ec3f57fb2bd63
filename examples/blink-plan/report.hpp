// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What blink-plan shows: a plan, and the times that were modelled for it. GPUs bear the numbers that the user gave.
#pragma once

#include <blink/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace blink_plan {

/// One schedule's modelled time.
struct timing {
    std::string name;  ///< `blink`, or the baseline's name
    std::string label; ///< what it is, for people
    double seconds = 0;
    double GBps = 0; ///< bytes over seconds
    std::size_t chunk_bytes = 0;
};

struct report {
    blink::plan plan;
    std::size_t simulated_bytes = 0; ///< 0: nothing was simulated
    std::vector<timing> simulated;   ///< Blink first, then the baselines
};

/// The number by which the user knows `rank`.
[[nodiscard]] inline int given(const blink::plan& p, int rank) { return p.gpus.at(static_cast<std::size_t>(rank)); }

[[nodiscard]] inline std::vector<int> given(const blink::plan& p, const std::vector<int>& ranks) {
    std::vector<int> numbers;
    for (const int r : ranks) { numbers.push_back(given(p, r)); }
    return numbers;
}

/// Relays on the way from parent to child: on the hop down, or backwards on the one up where data only flow up.
[[nodiscard]] inline std::vector<int> relays_towards_child(const blink::plan& p, const blink::tree_edge& e) {
    std::vector<int> relays = relays_on(p, e.down != -1 ? e.down : e.up);
    if (e.down == -1) { std::ranges::reverse(relays); }
    return relays;
}

} // namespace blink_plan
