// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From the command line to the machine and the ranks of a group.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/core/tuning_file.hpp>
#include <blink/topology/source.hpp>

#include <chrono>
#include <string>

#include "options.hpp"

namespace blink_perf {

/// How many ranks were asked for; 0 where the executor is to find out.
/// @throw blink::usage_error where -g and --ranks contradict each other
[[nodiscard]] inline int chosen_ranks(const options& o) {
    const int listed = static_cast<int>(o.gpus.size());
    if (o.ranks > 0 && listed > 0 && o.ranks != listed) {
        throw blink::usage_error("-g " + std::to_string(o.ranks) + " and --ranks, which lists " +
                                 std::to_string(listed) + ", ask for different numbers of ranks");
    }
    return o.ranks > 0 ? o.ranks : listed > 0 ? listed : o.virtual_ranks;
}

/// @throw blink::usage_error as `chosen_ranks`; blink::topology_error for a machine that cannot be read
[[nodiscard]] inline blink::group_options chosen_group(const options& o) {
    blink::group_options g;
    g.ranks = chosen_ranks(o);
    g.gpus = o.gpus;
    g.virtual_ranks = o.virtual_ranks;
    g.blocks = o.blocks;
    g.staged = !o.registered;
    if (!o.tuning.empty()) { g.tuned = blink::read_tuning(o.tuning); }
    if (o.trial) { g.tuned = *o.trial; }
    g.learn_host_share = !o.trial;
    if (!o.topology.empty()) { g.machine = blink::topology_from(o.topology); }
    if (o.deadline_seconds > 0) {
        g.timeout = std::chrono::milliseconds(static_cast<long long>(o.deadline_seconds * 1000) + 1);
    }
    return g;
}

} // namespace blink_perf
