// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What decides the size of the chunks that pass through a lane, and the policies that do not learn.
///
/// Small chunks fill the pipeline of a tree sooner, large ones pay the cost of a chunk less often.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>

namespace blink {

/// The `chunk_policy` concept requires the following:
/// - `chunk_bytes(lane_bytes)`: size of a chunk, in bytes and more than 0, for a lane that carries `lane_bytes`;
/// - `observe(bytes, seconds)`: a collective of `bytes` with these chunks took `seconds`.
/// All ranks of a collective must cut alike: they share one policy, or give theirs the same observations. A policy with
/// `static constexpr bool learns = false` is spared the observations where they would cost something.
template <class P>
concept chunk_policy = std::copy_constructible<P> && requires(P& p, const P& read, std::size_t bytes, double seconds) {
    { read.chunk_bytes(bytes) } -> std::convertible_to<std::size_t>;
    p.observe(bytes, seconds);
};

/// Chunks of one size, whatever happens.
struct fixed_chunk {
    static constexpr bool learns = false;
    std::size_t bytes = 1_MiB;

    /// @throw usage_error for chunks of 0 bytes
    [[nodiscard]] std::size_t chunk_bytes(std::size_t /*lane_bytes*/) const {
        if (bytes == 0) { throw usage_error("fixed_chunk: chunks of 0 bytes never end; expected 1 or more"); }
        return bytes;
    }
    void observe(std::size_t /*bytes*/, double /*seconds*/) const noexcept {}

    friend bool operator==(const fixed_chunk&, const fixed_chunk&) = default;
};

/// Chunks that balance the time to fill the pipeline against the cost of a chunk, without learning.
///
/// With k = lane / chunk, a pipeline takes (k + depth) * (chunk / rate + cost); the best chunk grows with the root
/// of the lane. `cost_bytes` is what a link could carry in the time that a chunk costs, over the depth.
struct automatic_chunk {
    static constexpr bool learns = false;
    std::size_t cost_bytes = 64_KiB;
    std::size_t smallest = 16_KiB;
    std::size_t largest = 4_MiB;

    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane_bytes) const {
        const double best = std::sqrt(static_cast<double>(lane_bytes) * static_cast<double>(cost_bytes));
        return std::clamp(static_cast<std::size_t>(best), smallest, largest);
    }
    void observe(std::size_t /*bytes*/, double /*seconds*/) const noexcept {}
};

/// Whether observations change what `P` answers.
template <chunk_policy P>
inline constexpr bool learns_from_times = [] {
    if constexpr (requires { P::learns; }) {
        return P::learns;
    } else {
        return true;
    }
}();

static_assert(chunk_policy<fixed_chunk> && chunk_policy<automatic_chunk>);

} // namespace blink
