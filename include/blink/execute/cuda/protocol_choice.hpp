// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which protocol carries a call, where the user leaves it open.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/schedule/schedule.hpp>

#include <cstddef>
#include <vector>

namespace blink::cuda {

/// Longest calls for which lines are taken, in bytes of the larger buffer. Measured with virtual ranks that share one
/// GPU.
inline constexpr std::size_t lines_up_to = 64u << 10;
inline constexpr std::size_t all_pairs_up_to = 64u << 10; ///< times the ranks that each rank sends to

/// Depends on nothing but what all ranks know.
/// @param straight it is an AllReduce in which every rank reaches every other
[[nodiscard]] inline protocol choose_protocol(protocol asked, std::size_t bytes, int ranks, bool straight) {
    if (asked != protocol::automatic) { return asked; }
    if (straight && ranks > 1 && bytes * static_cast<std::size_t>(ranks - 1) <= all_pairs_up_to) {
        return protocol::all_pairs;
    }
    return bytes <= lines_up_to ? protocol::lines : protocol::chunks;
}

/// The lane of a call without trees: everything, whoever the root may be.
[[nodiscard]] inline schedule one_lane(collective kind, int ranks) {
    return {kind, ranks, 0, {lane{0, 1.0, std::vector<role>(static_cast<std::size_t>(ranks))}}};
}

} // namespace blink::cuda
