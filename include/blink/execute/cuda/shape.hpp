// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How a call is laid over blocks: which blocks carry which lane, how large a chunk and its slot are.
///
/// Every rank computes the same shape, because blocks of different ranks meet by their number.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace blink::cuda {

/// What the shape may use.
struct shape_limits {
    int blocks = 128;                         ///< of one rank
    std::size_t slot_memory = 32u << 20;      ///< bytes of one rank for all slots
    std::size_t chunk_bytes = 0;              ///< 0: by the size of the call
    bool slots_down = false;                  ///< relays forward, or results are staged: slots on the way down too
    std::size_t most_chunk_bytes = 64u << 10; ///< where `chunk_bytes` is 0
    std::size_t shard_stride = 0;             ///< elements from a shard to the next; 0: as many as a shard has
};

struct call_shape {
    std::array<lane_slice, max_lanes> lanes{};
    int blocks = 0;              ///< of one rank
    int threads = block_threads; ///< of a block
    std::uint32_t grain = 1;
    std::uint32_t chunk_elements = 0;
    std::uint32_t slot_bytes = 0;
    std::uint16_t slots_per_child = 4;
    std::uint16_t slot_rows = 0; ///< of a block, see `tree_call`
};

/// Lays `count` elements of `element_bytes` over blocks.
/// @throw usage_error where the limits leave no room: fewer blocks than lanes, or too little slot memory for one chunk
[[nodiscard]] BLINK_INLINE call_shape make_shape(const schedule& s, std::size_t count, std::size_t element_bytes,
                                                 const shape_limits& limits);

/// Lays a call over the blocks of streams of cells: as many that each thread has one unit, where there are so many, of
/// few threads as long as those suffice, since short calls are over sooner on more multiprocessors. None where it has
/// more lanes than blocks.
/// @param elements_a_unit that a thread handles at once
/// @param most_blocks of one rank
[[nodiscard]] BLINK_INLINE std::optional<call_shape> make_stream_shape(const schedule& s, std::size_t count,
                                                                       std::size_t element_bytes, int elements_a_unit,
                                                                       int most_blocks);

/// What any kernel is told of a call: all but where the group's memory is, and which ranks are on a device.
/// @param in, out buffers by rank
template <class T>
void fill_frame(call_frame<T>& call, const schedule& s, const call_shape& shape, std::span<const T* const> in,
                std::span<T* const> out) {
    std::copy(in.begin(), in.end(), call.in);
    std::copy(out.begin(), out.end(), call.out);
    std::copy(shape.lanes.begin(), shape.lanes.end(), call.lanes);
    call.grain = shape.grain;
    call.lane_count = static_cast<std::uint8_t>(s.lanes.size());
    call.ranks = static_cast<std::uint8_t>(s.ranks);
    call.participants = call.ranks;
    call.up = reduces(s.kind);
    call.down = hands_on(s.kind);
}

/// What the tree kernel is told of a call, see `fill_frame`.
template <class T>
[[nodiscard]] tree_call<T> prepare_call(const schedule& s, const call_shape& shape, std::span<const T* const> in,
                                        std::span<T* const> out) {
    tree_call<T> call{};
    fill_frame(call, s, shape, in, out);
    call.chunk_elements = shape.chunk_elements;
    call.slot_bytes = shape.slot_bytes;
    call.slots_per_child = shape.slots_per_child;
    call.slot_rows = shape.slot_rows;
    return call;
}

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/shape_impl.hpp>
#endif
