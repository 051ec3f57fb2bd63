// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From the command line to the machine and the ranks of a group.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/topology/source.hpp>

#include <chrono>
#include <string>

#include "options.hpp"

namespace blink_perf {

/// @throw blink::usage_error where -g, --ranks and --virtual-ranks contradict each other
[[nodiscard]] inline blink::group_options chosen_group(const options& o) {
    blink::group_options g;
    g.ranks = o.ranks > 0 ? o.ranks : o.virtual_ranks;
    g.gpus = o.gpus;
    g.virtual_ranks = o.virtual_ranks;
    const auto differ = [](int a, int b) { return a > 0 && b > 0 && a != b; };
    if (differ(g.ranks, o.virtual_ranks) || differ(g.ranks, static_cast<int>(o.gpus.size()))) {
        throw blink::usage_error("-g, --ranks and --virtual-ranks ask for different numbers of ranks");
    }
    if (!o.topology.empty()) { g.machine = blink::topology_from(o.topology); }
    if (o.deadline_seconds > 0) {
        g.timeout = std::chrono::milliseconds(static_cast<long long>(o.deadline_seconds * 1000) + 1);
    }
    return g;
}

} // namespace blink_perf
