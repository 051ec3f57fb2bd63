// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which buffers a collective reads and writes, and what is wrong with those that the caller gave.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <cstddef>
#include <vector>

namespace blink {

/// Whether `rank` contributes: in a broadcast only the root does.
[[nodiscard]] constexpr bool reads_input(collective kind, int root, int rank) noexcept {
    return kind != collective::broadcast || rank == root;
}

/// Elements of an input, where `count` is what each rank gives or gets of its own: a reduce_scatter reads a shard for
/// every rank.
[[nodiscard]] constexpr std::size_t input_count(collective kind, int ranks, std::size_t count) noexcept {
    return kind == collective::reduce_scatter ? static_cast<std::size_t>(ranks) * count : count;
}

/// Elements of an output: an allgather writes a shard of every rank.
[[nodiscard]] constexpr std::size_t output_count(collective kind, int ranks, std::size_t count) noexcept {
    return kind == collective::allgather ? static_cast<std::size_t>(ranks) * count : count;
}

/// Whether `rank` gets a result: in a reduce only the root does.
[[nodiscard]] constexpr bool writes_output(collective kind, int root, int rank) noexcept {
    return kind != collective::reduce || rank == root;
}

/// Checks the buffers of a collective in which every rank gives and gets `count` elements of `element_bytes` each (of
/// its own, where the collective is sharded: see `input_count`).
/// Buffers that it does not touch may be anything. In place (in[r] == out[r]) is right; every other overlap with
/// memory that is written is not.
/// @param in, out pointers by rank
/// @throw usage_error naming collective, rank and buffer
BLINK_INLINE void check_buffers(collective kind, int root, int ranks, const std::vector<const void*>& in,
                                const std::vector<const void*>& out, std::size_t count, std::size_t element_bytes,
                                std::size_t alignment);

/// The same for one rank, of which alone the buffers are known.
/// @throw usage_error naming collective, rank and buffer
BLINK_INLINE void check_rank_buffers(collective kind, int root, int ranks, int rank, const void* in, const void* out,
                                     std::size_t count, std::size_t element_bytes, std::size_t alignment);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/core/buffers_impl.hpp>
#endif
