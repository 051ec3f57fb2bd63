// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which calls go by bulk copies.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/vector.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>

namespace blink::cuda {

/// Elements that bulk copies can carry.
template <class T>
inline constexpr bool travels_in_bulk = 16 % sizeof(T) == 0;

/// Whether all buffers and shards of a call lie on 16 bytes, as bulk copies want them. Those that nobody touches count
/// too.
template <class T>
[[nodiscard]] bool lies_in_bulk(const tree_call<T>& call) {
    bool right = true;
    for (int r = 0; r < call.ranks; ++r) { right = right && aligned(call.in[r]) && aligned(call.out[r]); }
    for (int l = 0; l < call.lane_count; ++l) {
        right =
            right && call.lanes[l].in_offset * sizeof(T) % 16 == 0 && call.lanes[l].out_offset * sizeof(T) % 16 == 0;
    }
    return right;
}

/// Whether a call of `count` elements is long enough for bulk copies, over so few blocks that they are faster. All
/// ranks find the same.
[[nodiscard]] inline bool is_for_bulk(const schedule& s, std::size_t count, std::size_t element_bytes, int blocks,
                                      const tuning& tuned) {
    const std::size_t larger = std::max(input_count(s.kind, s.ranks, count), output_count(s.kind, s.ranks, count));
    return tuned.bulk_from > 0 && larger * element_bytes >= tuned.bulk_from && blocks <= tuned.bulk_blocks;
}

} // namespace blink::cuda
