// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What went wrong on the device, as one word in host memory a rank: written by a kernel, read by anyone at any time.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <cstdint>
#include <string>

namespace blink::cuda {

/// What a block waited for.
enum class awaited : unsigned { partial, result, room, readiness, chunk_size };

/// A wait that ran into its deadline.
struct fault {
    awaited what = awaited::partial;
    int rank = 0;
    int peer = 0;
    int lane = 0;
    int block = 0;
    std::uint32_t chunk = 0;

    /// One word, so that a single store publishes it; never 0.
    [[nodiscard]] BLINK_HOST_DEVICE constexpr std::uint64_t packed() const {
        return std::uint64_t{1} << 63 | std::uint64_t{static_cast<unsigned>(what)} << 60 |
               std::uint64_t{static_cast<unsigned>(rank)} << 52 | std::uint64_t{static_cast<unsigned>(peer)} << 44 |
               std::uint64_t{static_cast<unsigned>(lane)} << 36 |
               std::uint64_t{static_cast<unsigned>(block) & 0xFFFU} << 24 | (chunk & 0xFFFFFFU);
    }

    [[nodiscard]] static constexpr fault unpacked(std::uint64_t word) {
        const auto field = [word](int shift, unsigned mask) { return static_cast<unsigned>(word >> shift) & mask; };
        return {static_cast<awaited>(field(60, 7)), static_cast<int>(field(52, 255)),
                static_cast<int>(field(44, 255)),   static_cast<int>(field(36, 255)),
                static_cast<int>(field(24, 0xFFF)), field(0, 0xFFFFFF)};
    }
};

/// "rank 1 waited longer than 200 ms for the partial result of chunk 3 by rank 0 (lane 2, block 7)"
/// @param ranks of the group; who has a higher number is a relay stop, counted from 0
[[nodiscard]] BLINK_INLINE std::string describe(const fault& f, std::uint64_t timeout_ns, int ranks);

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/fault_impl.hpp>
#endif
