// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What `simulate_blocks` is told of a call and of the GPUs that run it.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace blink {

/// How a call is laid over blocks.
struct block_layout {
    std::vector<int> blocks; ///< by lane; each takes its part of the lane's data
    std::size_t chunk_bytes = 64 << 10;
    int slots = 4; ///< chunks that a rank keeps for each child on the way up
    /// By lane, of its data (of a shard where the collective has such); none: as the lanes' shares say.
    std::vector<std::size_t> lane_bytes{};
};

/// What a block spends besides the time on links.
struct block_costs {
    double chunk_us = 0;                                         ///< polls, fences and flags of a chunk
    double block_GBps = std::numeric_limits<double>::infinity(); ///< at which all threads of a block load and store
    /// How many times as long a rank takes for the bytes that hands on in both directions: its threads are divided.
    double both_ways = 1;
    double combine_us = 0; ///< besides, of a chunk that is combined with those of children
    /// At which all blocks together load and store, as where one GPU plays all ranks.
    double memory_GBps = std::numeric_limits<double>::infinity();
    double latency_us = 0; ///< of a hop whose links do not tell theirs
    double call_us = 0;    ///< of a call
    /// For which a thread polls a flag before it looks into the host's memory whether the call is aborted; then anew.
    double patience_us = std::numeric_limits<double>::infinity();
    /// Of such a look, which sees no flag. Looks come one after the other, as where one GPU plays all ranks.
    double look_us = 0;
};

} // namespace blink
