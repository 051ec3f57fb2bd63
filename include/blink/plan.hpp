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
/// Of ranks that see the same machine only a few are tried (see `root_candidates`).
inline constexpr int best_root = -1;

/// What a plan may use and how much rate it may give up.
struct plan_options {
    link_choice links = link_choice::automatic;
    pack_options pack{};
    std::vector<int> relays{}; ///< GPUs of the machine that take no part and may forward
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
    double seconds = 0;        ///< time that planning took
    std::vector<int> relays{}; ///< GPUs of the machine that may forward; vertices n, n + 1, ... of the fabric
};

/// The GPUs that forward on the hop number `arc` of the plan's fabric, in the order in which data pass them.
[[nodiscard]] inline std::vector<int> relays_on(const plan& p, int arc) {
    std::vector<int> found;
    for (const int l : p.fabric.arcs.at(static_cast<std::size_t>(arc)).route) {
        const int relay = p.fabric.links.at(static_cast<std::size_t>(l)).to - p.fabric.ranks;
        if (relay >= 0 && relay < static_cast<int>(p.relays.size())) {
            found.push_back(p.relays[static_cast<std::size_t>(relay)]);
        }
    }
    return found;
}

/// The hops that a plan for `kind` is made of: with relays each over links of its own, and suited to this collective
/// and root (see `make_relay_fabric`); else those of `make_fabric`.
/// @throw usage_error, plan_error: see `make_plan`
[[nodiscard]] BLINK_INLINE fabric plan_fabric(const topology& machine, std::span<const int> gpus,
                                              std::span<const int> relays, link_choice links, collective kind,
                                              int root);

/// Plans `kind` among the GPUs `gpus` of `machine`.
/// @param root rank (index into `gpus`) of a rooted collective, or `best_root`; ignored by the others
/// @throw usage_error for unknown or repeated GPUs, a relay that takes part, or an unknown root
/// @throw plan_error where ranks cannot reach each other; with relays also for links without an equal the other way
[[nodiscard]] BLINK_INLINE plan make_plan(const topology& machine, std::span<const int> gpus, collective kind,
                                          int root = best_root, const plan_options& options = {});

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/plan_impl.hpp>
#endif
