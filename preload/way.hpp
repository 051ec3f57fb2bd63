// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// In words, how Blink carries a call, and which threshold says so.
#pragma once

#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/plan.hpp>

#include <cstddef>
#include <string>

#include "calls.hpp"

namespace blink::preload {

/// What the group will choose for a call outside a graph whose buffers all GPUs may use.
/// @param p the plan of its trees
/// @param copies whether the group may use copy engines
[[nodiscard]] inline std::string way_of(const matched_call& call, const plan& p, const tuning& tuned, bool copies) {
    const collective kind = trees_of(call.kind);
    const int ranks = p.schedule.ranks;
    const std::size_t bytes = bytes_of(call, static_cast<std::size_t>(ranks));
    const bool joined = cuda::joins_all_pairs(p.fabric);
    const cuda::copy_call asked = cuda::copy_call_of(kind, ranks, call.count, size_of(call.type));
    if (copies && joined && cuda::is_all_nvlink(p.fabric) &&
        cuda::takes_copies(protocol::automatic, asked, tuned, [] { return false; })) {
        return "by copy engines, as all of which " + text_of_bytes(cuda::least_copied(asked, tuned)) +
               " or more cross the link";
    }
    const std::string trees =
        std::to_string(p.schedule.lanes.size()) + (p.schedule.lanes.size() == 1 ? " tree" : " trees");
    const cuda::cell_limits up_to = cuda::limits_of_cells(kind, ranks, tuned);
    switch (cuda::choose_protocol(protocol::automatic, kind, bytes, ranks, kind == collective::allreduce && joined,
                                  tuned)) {
    case protocol::all_pairs:
        return "straight from each to each in cells, as up to " + text_of_bytes(up_to.all_pairs);
    case protocol::cells:
        return "over " + trees + " in cells, as up to " + text_of_bytes(up_to.along_trees);
    default:
        return "over " + trees + " in chunks, too long for cells";
    }
}

} // namespace blink::preload
