// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a machine and a set of its GPUs to the schedule of a collective, with everything in between kept to be read.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/packing/packing.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <span>
#include <vector>

namespace blink {

/// Let the planner choose the root: the one with the highest rate, then the flattest trees, then the lowest number.
/// Among more than 128 ranks one of each sort is tried, by the widths of its own links.
inline constexpr int best_root = -1;

/// What a plan may use and how much rate it may give up.
struct plan_options {
    link_choice links = link_choice::automatic;
    pack_options pack{};
};

/// Everything that was decided for one collective among some GPUs of a machine. Ranks are numbered 0 .. n-1 in the
/// order of `gpus`; packing and schedule speak of ranks.
struct plan {
    topology machine;      ///< the whole machine
    std::vector<int> gpus; ///< rank -> GPU of the machine
    link_choice links = link_choice::automatic;
    blink::fabric fabric;
    blink::packing packing;
    blink::schedule schedule;
    double seconds = 0; ///< time that planning took
};

/// Plans `kind` among the GPUs `gpus` of `machine`.
/// @param root rank (index into `gpus`) of a rooted collective, or `best_root`; ignored by the others
/// @throw usage_error for unknown or repeated GPUs, or an unknown root
/// @throw plan_error where ranks cannot reach each other
[[nodiscard]] BLINK_INLINE plan make_plan(const topology& machine, std::span<const int> gpus, collective kind,
                                          int root = best_root, const plan_options& options = {});

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/plan_impl.hpp>
#endif
