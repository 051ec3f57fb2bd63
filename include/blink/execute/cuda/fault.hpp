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
enum class awaited : unsigned { partial, result, room, readiness };

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
[[nodiscard]] inline std::string describe(const fault& f, std::uint64_t timeout_ns, int ranks) {
    const auto name = [ranks](int v) {
        return v < ranks ? "rank " + std::to_string(v) : "relay stop " + std::to_string(v - ranks);
    };
    const std::string chunk = "chunk " + std::to_string(f.chunk);
    const std::string what = f.what == awaited::partial  ? "the partial result of " + chunk
                             : f.what == awaited::result ? "the result of " + chunk
                             : f.what == awaited::room   ? "room for " + chunk
                                                         : "the call to be entered";
    return name(f.rank) + " waited longer than " + std::to_string(timeout_ns / 1000000) + " ms for " + what + " by " +
           name(f.peer) + " (lane " + std::to_string(f.lane) + ", block " + std::to_string(f.block) + ")";
}

} // namespace blink::cuda
