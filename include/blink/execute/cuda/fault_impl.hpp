// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The words for what went wrong on the device.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstdint>
#include <string>

namespace blink::cuda {

BLINK_INLINE std::string describe(const fault& f, std::uint64_t timeout_ns, int ranks) {
    const auto name = [ranks](int v) {
        return v < ranks ? "rank " + std::to_string(v) : "relay stop " + std::to_string(v - ranks);
    };
    const std::string chunk = "chunk " + std::to_string(f.chunk);
    const std::string what = f.what == awaited::partial      ? "the partial result of " + chunk
                             : f.what == awaited::result     ? "the result of " + chunk
                             : f.what == awaited::room       ? "room for " + chunk
                             : f.what == awaited::chunk_size ? "the size of chunks to be told"
                                                             : "the call to be entered";
    return name(f.rank) + " waited longer than " + std::to_string(timeout_ns / 1000000) + " ms for " + what + " by " +
           name(f.peer) + " (lane " + std::to_string(f.lane) + ", block " + std::to_string(f.block) + ")";
}

} // namespace blink::cuda
