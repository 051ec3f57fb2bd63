// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What memory of users a call touches.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace blink {

struct memory_range {
    const void* begin;
    std::size_t bytes;
};

/// The inputs that a call reads.
/// @param in by rank
template <class T>
[[nodiscard]] BLINK_SELDOM std::vector<memory_range> memory_read(collective kind, int root,
                                                                 std::span<const T* const> in, std::size_t count) {
    std::vector<memory_range> read;
    const int ranks = static_cast<int>(in.size());
    for (int r = 0; r < ranks; ++r) {
        if (!reads_input(kind, root, r)) { continue; }
        read.push_back({in[static_cast<std::size_t>(r)], input_count(kind, ranks, count) * sizeof(T)});
    }
    return read;
}

/// The outputs that other ranks store a call's results into, where they see them.
/// @param out by rank
template <class T>
[[nodiscard]] BLINK_SELDOM std::vector<memory_range> memory_written(collective kind, int root, std::span<T* const> out,
                                                                    std::size_t count) {
    std::vector<memory_range> written;
    const int ranks = static_cast<int>(out.size());
    for (int r = 0; r < ranks && hands_on(kind); ++r) {
        if (!writes_output(kind, root, r)) { continue; }
        written.push_back({out[static_cast<std::size_t>(r)], output_count(kind, ranks, count) * sizeof(T)});
    }
    return written;
}

} // namespace blink
