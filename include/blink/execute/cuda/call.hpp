// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a kernel is told about one call, and the memory through which blocks of different ranks meet.
///
/// Block b of a rank talks to block b of the ranks beside it in its tree, and to no other. Flags only grow: a flag
/// holds the block's call number in its upper bits and a chunk count in its lower bits, and a waiter compares with
/// >=, so nothing is reset between calls. Call numbers live beside the flags and are advanced by the kernel, so a
/// captured graph may be replayed at will.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/device_schedule.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

inline constexpr int block_threads = 512;
inline constexpr int max_blocks = 256; ///< of one rank

/// Flags of one block of one rank; index: the rank that writes. Each line is written by peers, read by the owner.
struct alignas(128) block_flags {
    std::uint64_t partial_arrived[max_ranks]; ///< from a child: chunks pushed into the owner's slots
    std::uint64_t room_granted[max_ranks];    ///< from a parent: it is in this call and has emptied that many slots
    std::uint64_t result_arrived[max_ranks];  ///< from a parent: chunks stored into the owner's output
    std::uint64_t output_ready[max_ranks];    ///< from a child: it is in this call, its output may be written; also
                                              ///< how many slots of the way down it has emptied, where it has some
    std::uint64_t call;                       ///< the owner's own: calls completed by this block
};

/// Lower bits of a flag. The others number 2^40 calls, which take 25 days at 2 us each.
inline constexpr int flag_chunk_bits = 24;

/// Bytes of a chunk, at least, with which a call of `bytes` has fewer chunks than a flag counts.
[[nodiscard]] constexpr std::size_t least_chunk_bytes(std::size_t bytes) { return bytes >> (flag_chunk_bits - 1); }

/// Flag value: chunks of a call.
[[nodiscard]] BLINK_HOST_DEVICE constexpr std::uint64_t flag_value(std::uint64_t call, std::uint32_t chunks) {
    return call << flag_chunk_bits | chunks;
}

/// Elements of a lane and the blocks that carry them.
struct lane_slice {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t in_offset = 0;  ///< where element 0 of the lane's data lies in the inputs
    std::uint64_t out_offset = 0; ///< and in the outputs
    int first_block = 0;
    int blocks = 0;
};

/// One call on one device, whatever the protocol, by value. Pointers of all ranks are in this device's address space.
template <class T>
struct call_frame {
    const T* in[max_ranks];
    T* out[max_ranks];
    lane_slice lanes[max_lanes];
    std::uint64_t* faults;    ///< one word a participant, in host memory
    std::uint64_t* abort;     ///< not 0: everyone leaves; in host memory
    std::uint64_t timeout_ns; ///< longest wait for a single chunk
    std::uint32_t grain;      ///< elements; block boundaries are multiples of it within a lane
    std::uint8_t lane_count;
    std::uint8_t ranks;                  ///< that have buffers
    std::uint8_t participants;           ///< ranks, and above them relay stops, which only forward
    bool up;                             ///< contributions are reduced
    bool down;                           ///< the result is broadcast
    std::uint8_t local_ranks[max_ranks]; ///< participants on this device; blockIdx.y selects one
};

/// A call that passes through slots in chunks.
template <class T>
struct tree_call : call_frame<T> {
    block_flags* flags[max_ranks];
    std::byte* slots[max_ranks];
    const std::uint32_t* chunk_now; ///< on this device: the elements of a chunk in this call; null: `chunk_elements`
    std::uint32_t chunk_elements;   ///< of a block's chunk, at most
    std::uint32_t slot_bytes;       ///< of one chunk, a multiple of 16
    std::uint16_t slots_per_child;
    std::uint16_t slot_rows; ///< of a block: one for each child on the way up; the last for the way down, where used
    bool staged;             ///< results come down through slots of who gets them, never into a peer's output
};

/// What a block works on.
struct block_part {
    int lane = 0;
    std::uint64_t in_begin = 0;  ///< first element, in the inputs
    std::uint64_t out_begin = 0; ///< and in the outputs
    std::uint64_t elements = 0;
};

/// The lane of a block and its part of the lane's elements, alike on all ranks.
template <class T>
[[nodiscard]] BLINK_HOST_DEVICE inline block_part part_of(const call_frame<T>& call, int block) {
    block_part part;
    while (part.lane + 1 < call.lane_count && block >= call.lanes[part.lane + 1].first_block) { ++part.lane; }
    const lane_slice& slice = call.lanes[part.lane];
    const std::uint64_t grains = (slice.end - slice.begin + call.grain - 1) / call.grain;
    const auto number = static_cast<std::uint64_t>(block - slice.first_block);
    const auto parts = static_cast<std::uint64_t>(slice.blocks);
    const std::uint64_t first = slice.begin + grains * number / parts * call.grain;
    const std::uint64_t last = slice.begin + grains * (number + 1) / parts * call.grain;
    const std::uint64_t begin = first < slice.end ? first : slice.end;
    part.elements = (last < slice.end ? last : slice.end) - begin;
    part.in_begin = slice.in_offset + begin;
    part.out_begin = slice.out_offset + begin;
    return part;
}

} // namespace blink::cuda
