// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The chunks that a caller wants of a call: of one size, or such as the GPUs find by a search.
#pragma once

#include <blink/schedule/miad_search.hpp>

#include <cstddef>
#include <optional>

namespace blink::cuda {

/// What a caller wants of a call's chunks.
struct chunk_wish {
    std::size_t bytes = 0;                ///< 0: as suits the size of the call
    std::optional<miad_options> search{}; ///< the GPUs search by these, from `bytes` on
    int number = 0;                       ///< of the search, below `max_searches`

    chunk_wish(std::size_t of_bytes) : bytes(of_bytes) {} // NOLINT(google-explicit-constructor): most want just that

    /// Bytes that slots have to hold.
    [[nodiscard]] std::size_t most_bytes() const { return search ? search->largest : bytes; }
};

} // namespace blink::cuda
