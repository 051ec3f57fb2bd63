// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The measured calls that only move data from rank to rank, beside the collectives over trees.
#pragma once

#include <blink/core/config.hpp>

#include <cstddef>

namespace blink_perf {

/// `sendrecv`: each rank sends to the next one, the last to the first, as in nccl-tests.
enum class movement : unsigned char { none, gather, scatter, alltoall, sendrecv };

[[nodiscard]] constexpr bool is_rooted(movement m) noexcept { return m == movement::gather || m == movement::scatter; }

/// True where the larger buffers hold a shard for every rank.
[[nodiscard]] constexpr bool is_sharded(movement m) noexcept {
    return m == movement::gather || m == movement::scatter || m == movement::alltoall;
}

/// True where a call may be in place.
[[nodiscard]] constexpr bool works_in_place(movement m) noexcept {
    return m != movement::alltoall && m != movement::sendrecv;
}

/// Elements of an input and of an output, where `count` is what goes from one rank to another.
[[nodiscard]] constexpr std::size_t input_count(movement m, int ranks, std::size_t count) noexcept {
    return (m == movement::scatter || m == movement::alltoall ? static_cast<std::size_t>(ranks) : 1) * count;
}
[[nodiscard]] constexpr std::size_t output_count(movement m, int ranks, std::size_t count) noexcept {
    return (m == movement::gather || m == movement::alltoall ? static_cast<std::size_t>(ranks) : 1) * count;
}

/// An element of a rank's input.
struct source {
    int rank = 0;
    std::size_t index = 0;
};

/// What must stand in element `index` of the result of `owner`.
[[nodiscard]] BLINK_HOST_DEVICE constexpr source source_of(movement m, int ranks, int root, std::size_t count,
                                                           int owner, std::size_t index) {
    const auto own = static_cast<std::size_t>(owner) * count;
    if (m == movement::gather) { return {static_cast<int>(index / count), index % count}; }
    if (m == movement::scatter) { return {root, own + index}; }
    if (m == movement::alltoall) { return {static_cast<int>(index / count), own + index % count}; }
    return {(owner + ranks - 1) % ranks, index};
}

} // namespace blink_perf
