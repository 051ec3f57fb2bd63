// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a plan and a machine that has lost wires to a plan for what is left, with the trees that still hold.
#pragma once

#include <blink/core/config.hpp>
#include <blink/plan.hpp>
#include <blink/topology/lost_wires.hpp>
#include <blink/topology/topology.hpp>

#include <vector>

namespace blink {

/// What became of a plan. Trees are numbered as in the packings of the two plans.
struct plan_repair {
    struct kept_tree {
        int before = 0;
        int after = 0;

        friend bool operator==(const kept_tree&, const kept_tree&) = default;
    };

    plan after;
    std::vector<kept_tree> kept; ///< the same hops; the rate may be another
    std::vector<int> dropped;    ///< trees of the plan before
    std::vector<int> made;       ///< trees of the plan after
    bool anew = false;           ///< all was planned anew, so that trees are kept by chance
};

/// Repairs `before` for `machine`, the same machine with other wires (`without_wires`, `slowed_wires`). Trees whose
/// hops are still there stay, some thinner where they share a slower link, as long as the best rate of the new machine,
/// less the slack, can be reached beside them; what is missing is packed into the room that they leave. Root, GPUs,
/// links and relays stay. Plans of sharded collectives and plans with relays are made anew, and so is a plan that would
/// take more than `options.max_trees` trees or whose kind of wires no longer joins the ranks.
/// @param options `slack` and `max_trees` of the plan after
/// @throw usage_error where `machine` has other GPUs than that of `before`
/// @throw plan_error where the ranks have fallen apart
[[nodiscard]] BLINK_INLINE plan_repair repair_plan(const plan& before, const topology& machine,
                                                   const pack_options& options = {});

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/repair_impl.hpp>
#endif
