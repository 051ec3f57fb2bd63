// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which protocol carries a call, where the user leaves it open.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink::cuda {

/// Up to how many bytes a call goes in cells.
struct cell_limits {
    std::size_t all_pairs; ///< straight from each rank to each other one
    std::size_t along_trees;
};

/// @param blocks most that a rank may use, 0: as tuned. Cells carry the less the fewer there are
[[nodiscard]] inline cell_limits limits_of_cells(collective kind, int ranks, const tuning& tuned, int blocks = 0) {
    const auto most_blocks = static_cast<std::size_t>(tuned.most_blocks);
    const std::size_t used = blocks == 0 ? most_blocks : std::min(static_cast<std::size_t>(blocks), most_blocks);
    const std::size_t others = ranks > 1 ? static_cast<std::size_t>(ranks - 1) : 1; // who share what cells there are
    const auto carried = [&](std::size_t up_to) {
        return (used == most_blocks ? up_to : up_to / most_blocks * used) / others;
    };
    const std::size_t most = is_rooted(kind) ? tuned.cells_up_to : tuned.cells_up_to / 2; // links are full both ways
    return {carried(tuned.all_pairs_up_to), carried(most)};
}

/// Depends on nothing but what all ranks know.
/// @param straight it is an AllReduce in which every rank has a hop of its own to every other
/// @param blocks see `limits_of_cells`
[[nodiscard]] inline protocol choose_protocol(protocol asked, collective kind, std::size_t bytes, int ranks,
                                              bool straight, const tuning& tuned = {}, int blocks = 0) {
    if (asked != protocol::automatic) { return asked; }
    const cell_limits up_to = limits_of_cells(kind, ranks, tuned, blocks);
    if (straight && ranks > 1 && bytes <= up_to.all_pairs) { return protocol::all_pairs; }
    return bytes <= up_to.along_trees ? protocol::cells : protocol::chunks;
}

/// True where parents can read what their children contribute: the partial result of an AllReduce waits in the output
/// that the result will replace; in other reductions only leaves have contributions that lie anywhere.
[[nodiscard]] inline bool can_pull(const schedule& s) {
    if (s.kind == collective::allreduce) { return true; }
    if (!reduces(s.kind)) { return false; }
    for (const lane& l : s.lanes) {
        for (const role& r : l.roles) {
            if (r.reduce_to != no_rank && !r.reduce_from.empty()) { return false; }
        }
    }
    return true;
}

/// True where every rank has a hop straight to every other one.
[[nodiscard]] inline bool joins_all_pairs(const fabric& f) {
    const auto ranks = static_cast<std::size_t>(f.ranks);
    std::vector<bool> joined(ranks * ranks, false);
    std::size_t pairs = 0;
    for (const arc& a : f.arcs) {
        const std::size_t pair = static_cast<std::size_t>(a.from) * ranks + static_cast<std::size_t>(a.to);
        pairs += joined[pair] ? 0 : 1;
        joined[pair] = true;
    }
    return pairs + ranks == ranks * ranks;
}

/// True where no hop leaves NVLink.
[[nodiscard]] inline bool is_all_nvlink(const fabric& f) {
    return std::ranges::all_of(f.links, [](const link& l) { return l.kind == link_kind::nvlink; });
}

/// The lane of a call without trees: everything, whoever the root may be.
[[nodiscard]] inline schedule one_lane(collective kind, int ranks) {
    return {kind, ranks, 0, {lane{0, 1.0, std::vector<role>(static_cast<std::size_t>(ranks))}}};
}

} // namespace blink::cuda
