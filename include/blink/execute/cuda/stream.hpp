// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Streams of cells: the rings through which teams of threads of different ranks meet.
///
/// A team is a warp. Team t of block b of a rank sends to team t of block b of other ranks, and to no other, so nothing
/// in a block has to meet. A stream is endless: its rows, of a cell for each thread, are counted on from call to call,
/// beside the rings and by the kernels themselves, so a captured graph may be replayed at will; the row at position p
/// lies in place p % `ring_rows`. A reader empties a row by storing the filler into it, and tells writers up to which
/// position it has done so: at the beginning of each call of all rows of earlier calls, which the end of a kernel has
/// performed, and during a long call behind a fence.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/cell.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace blink::cuda {

inline constexpr int max_teams = 16;          ///< of a block
inline constexpr std::size_t ring_rows = 32;  ///< of one stream
inline constexpr int stream_max_blocks = 128; ///< of one rank

/// Ways of a stream, each with rings of its own.
enum class way : unsigned char { up, down };

/// State of one block of one rank, written by peers but for `position`.
struct alignas(128) stream_flags {
    std::uint64_t emptied[2][max_ranks][max_teams]; ///< by way, reader and team: the reader has emptied rows up to here
    std::uint64_t position[max_teams];              ///< the owner's own: rows of all earlier calls
};

/// Blocks of one rank that have streams: fewer in larger groups, so that the memory of a rank stays about 96 MiB.
[[nodiscard]] constexpr int stream_blocks(int ranks) { return std::max(1, stream_max_blocks / std::max(1, ranks - 1)); }

/// Bytes of a ring, its cells and then their notes, for teams of so many threads.
[[nodiscard]] BLINK_HOST_DEVICE constexpr std::size_t ring_bytes(int team_threads) {
    return ring_rows * static_cast<std::size_t>(team_threads) * (sizeof(cell) + sizeof(std::uint64_t));
}

/// Bytes of all rings at one rank of a group.
[[nodiscard]] constexpr std::size_t stream_memory(int ranks, int team_threads = 32) {
    return static_cast<std::size_t>(stream_blocks(ranks)) * max_teams * 2 *
           static_cast<std::size_t>(std::max(1, ranks - 1)) * ring_bytes(team_threads);
}

/// A call that travels in cells.
template <class T>
struct stream_call : call_frame<T> {
    stream_flags* flags[max_ranks]; ///< by rank, then block
    std::byte* rings[max_ranks];
};

/// The ring at one rank of what another one sends it.
struct ring {
    std::byte* begin;
    int team_threads;

    [[nodiscard]] BLINK_DEVICE_CODE cell* at(std::uint64_t position, int thread) const {
        return reinterpret_cast<cell*>(begin) + place(position, thread);
    }
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* note_at(std::uint64_t position, int thread) const {
        std::byte* const notes = begin + ring_rows * static_cast<std::size_t>(team_threads) * sizeof(cell);
        return reinterpret_cast<std::uint64_t*>(notes) + place(position, thread);
    }

  private:
    [[nodiscard]] BLINK_DEVICE_CODE std::size_t place(std::uint64_t position, int thread) const {
        const auto row = static_cast<unsigned>(position) % static_cast<unsigned>(ring_rows);
        return row * static_cast<unsigned>(team_threads) + static_cast<unsigned>(thread);
    }
};

/// Number of `writer` among the ranks that write to `owner`.
[[nodiscard]] BLINK_HOST_DEVICE constexpr int writer_index(int owner, int writer) {
    return writer < owner ? writer : writer - 1;
}

} // namespace blink::cuda
