// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where the ranks' inputs and outputs lie in their buffers, for Blink and for what it is compared with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "session.hpp"

namespace blink_perf {

/// One rank's data, in elements. In place there is one buffer, which holds both.
struct layout {
    std::size_t first = 0;  ///< length of the buffer with the input
    std::size_t second = 0; ///< length of the buffer with the output; 0 in place
    std::size_t in_at = 0;  ///< where the input begins in the first buffer
    std::size_t out_at = 0; ///< where the output begins in the second buffer, in place in the first
};

[[nodiscard]] inline layout layout_of(const job& j, int rank) {
    const std::size_t in = input_count(j.data);
    const std::size_t out = output_count(j.data);
    if (!j.in_place) { return {in, out, 0, 0}; }
    layout l{std::max(in, out), 0, 0, 0};
    if (!is_sharded(j.data) || (is_rooted(j.data) && rank != j.data.root)) { return l; }
    (in < out ? l.in_at : l.out_at) = static_cast<std::size_t>(rank) * j.count;
    return l;
}

/// By rank the addresses of a call's inputs and outputs; null for ranks that other processes drive.
struct call_buffers {
    std::vector<const void*> in;
    std::vector<void*> out;
};

} // namespace blink_perf
