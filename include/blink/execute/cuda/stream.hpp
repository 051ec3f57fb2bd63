// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Streams of cells: the rings through which teams of threads of different ranks meet.
///
/// A team is a warp. Team t of block b of a rank sends to team t of block b of other ranks, and to no other, so nothing
/// in a block has to meet. A stream is endless: its rows, of a cell for each thread, are counted on from call to call,
/// beside the rings and by the kernels themselves, so a captured graph may be replayed at will; the row at position p
/// lies in place p % `ring_rows`. A reader empties a row by storing the filler into it, and tells writers up to which
/// position it has done so: at the beginning of a call, every few rows, of all rows of earlier calls, which the end of
/// a kernel has performed, and during a long call behind a fence.
///
/// Rows of all teams at one place lie side by side, since calls of one size use them at about the same time.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/cell.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace blink::cuda {

inline constexpr int max_teams = 16;          ///< of a block
inline constexpr unsigned ring_rows = 32;     ///< of one stream; of 16, 32 and 64, long calls were fastest with 32
inline constexpr int stream_max_blocks = 128; ///< of one rank

/// Rows that a reader may keep from others that it has emptied: a short call without that store is over sooner.
inline constexpr unsigned untold_rows = ring_rows / 4;

/// Ways of a stream, each with rings of its own.
enum class way : unsigned char { up, down };

/// Where a team's streams stand, which is its owner's own.
struct alignas(16) stream_state {
    std::uint64_t position; ///< rows of all earlier calls
    std::uint64_t told;     ///< up to where all others have been told that rows are empty
};

/// State of one block of one rank, written by peers but for `state`.
struct alignas(128) stream_flags {
    std::uint64_t emptied[2][max_ranks][max_teams]; ///< by way, reader and team: the reader has emptied rows up to here
    stream_state state[max_teams];
};

/// Blocks of one rank that have streams: fewer in larger groups, so that the memory of a rank stays about 96 MiB.
[[nodiscard]] constexpr int stream_blocks(int ranks) { return std::max(1, stream_max_blocks / std::max(1, ranks - 1)); }

/// Where the rings of a rank lie in its memory: cells first, then a note for each.
struct ring_layout {
    unsigned row_cells;  ///< of all teams together
    unsigned ring_cells; ///< from one writer on one way
    std::size_t cells;   ///< in all

    /// @param team_threads 32 on GPUs
    [[nodiscard]] static constexpr ring_layout of(int ranks, int team_threads = 32) {
        const auto row = static_cast<unsigned>(stream_blocks(ranks) * max_teams * team_threads);
        return {row, ring_rows * row, std::size_t{2} * static_cast<unsigned>(std::max(1, ranks - 1)) * ring_rows * row};
    }
    [[nodiscard]] constexpr std::size_t bytes() const { return cells * (sizeof(cell) + sizeof(std::uint64_t)); }
};

/// Bytes of all rings at one rank of a group.
[[nodiscard]] constexpr std::size_t stream_memory(int ranks, int team_threads = 32) {
    return ring_layout::of(ranks, team_threads).bytes();
}

/// A call that travels in cells. Nothing in it has to be divided by on the device.
template <class T>
struct stream_call : call_frame<T> {
    stream_flags* flags[max_ranks]; ///< by rank, then block
    std::byte* rings[max_ranks];
    ring_layout layout;
    std::uint32_t block_grains[max_lanes]; ///< of a lane that each of its blocks has, but for the last ones
    std::uint8_t thread_bits;              ///< a block has 2 to this power of threads
};

/// Fills in what is special to streams, once the frame is.
template <class Shape, class T>
void lay_streams(stream_call<T>& call, const Shape& shape, int team_threads = 32) {
    call.layout = ring_layout::of(call.ranks, team_threads);
    while ((1 << call.thread_bits) < shape.threads) { ++call.thread_bits; }
    for (int l = 0; l < call.lane_count; ++l) {
        const lane_slice& slice = call.lanes[l];
        const std::uint64_t grains = (slice.end - slice.begin + call.grain - 1) / call.grain;
        const auto blocks = static_cast<std::uint64_t>(slice.blocks);
        call.block_grains[l] = static_cast<std::uint32_t>((grains + blocks - 1) / blocks);
    }
}

/// The part of a block, alike on all ranks.
template <class T>
[[nodiscard]] BLINK_HOST_DEVICE inline block_part part_of_streams(const stream_call<T>& call, int block) {
    block_part part;
    while (part.lane + 1 < call.lane_count && block >= call.lanes[part.lane + 1].first_block) { ++part.lane; }
    const lane_slice& slice = call.lanes[part.lane];
    const std::uint64_t elements = std::uint64_t{call.block_grains[part.lane]} * call.grain;
    const std::uint64_t first = slice.begin + static_cast<unsigned>(block - slice.first_block) * elements;
    const std::uint64_t begin = first < slice.end ? first : slice.end;
    part.elements = slice.end - begin < elements ? slice.end - begin : elements;
    part.in_begin = slice.in_offset + begin;
    part.out_begin = slice.out_offset + begin;
    return part;
}

/// A stream at its reader.
struct ring {
    cell* first; ///< at place 0, of the team's first thread
    std::uint64_t* first_note;
    unsigned row_cells;

    [[nodiscard]] BLINK_DEVICE_CODE cell* at(std::uint64_t position, int thread) const {
        return first + index(position, thread);
    }
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* note_at(std::uint64_t position, int thread) const {
        return first_note + index(position, thread);
    }

  private:
    [[nodiscard]] BLINK_DEVICE_CODE unsigned index(std::uint64_t position, int thread) const {
        return static_cast<unsigned>(position) % ring_rows * row_cells + static_cast<unsigned>(thread);
    }
};

/// Number of `writer` among the ranks that write to `owner`.
[[nodiscard]] BLINK_HOST_DEVICE constexpr int writer_index(int owner, int writer) {
    return writer < owner ? writer : writer - 1;
}

/// The ring at `owner` of what `writer` sends to a team.
/// @param team counted over all blocks
template <class T>
[[nodiscard]] BLINK_HOST_DEVICE inline ring ring_of(const stream_call<T>& call, int owner, int writer, way on, int team,
                                                    int team_threads) {
    const int number = static_cast<int>(on) * (call.ranks - 1) + writer_index(owner, writer);
    const unsigned first = static_cast<unsigned>(number) * call.layout.ring_cells +
                           static_cast<unsigned>(team) * static_cast<unsigned>(team_threads);
    std::byte* const base = call.rings[owner];
    return {reinterpret_cast<cell*>(base) + first,
            reinterpret_cast<std::uint64_t*>(base + call.layout.cells * sizeof(cell)) + first, call.layout.row_cells};
}

} // namespace blink::cuda
