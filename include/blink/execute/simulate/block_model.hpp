// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The blocks of the CUDA executor in modelled time, over links that serve one chunk after the other.
///
/// `simulate` asks what a schedule could reach; this asks what the executor makes of it: a lane is divided among
/// blocks, and a block takes its next chunk only when the one before has been carried to everybody who waits for it.
/// Links serve chunks in the order in which they ask, as the emulated ones do.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/simulate/block_loop.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace blink {

/// When a call and each of its lanes were done.
struct block_times {
    std::size_t bytes = 0;
    double seconds = 0;               ///< with `call_us`
    double GBps = 0;                  ///< bytes / seconds; 0 where nothing had to move
    std::vector<double> lane_seconds; ///< by lane, without `call_us`
};

/// Times `s` on `f` for a buffer of `bytes` (the larger one), cut as `layout` says.
/// Deterministic. Takes about 0.2 microseconds a chunk and hop.
/// @throw usage_error where the layout has not at least one block for each lane, or the costs cannot be meant
/// @throw schedule_error for a schedule that is malformed, or waits for ever (`verify` says where)
[[nodiscard]] inline block_times simulate_blocks(const schedule& s, const fabric& f, std::size_t bytes,
                                                 const block_layout& layout, const block_costs& costs = {}) {
    if (layout.blocks.size() != s.lanes.size() ||
        std::ranges::any_of(layout.blocks, [](int blocks) { return blocks < 1; })) {
        throw usage_error("simulate_blocks: expected one block or more for each of " + std::to_string(s.lanes.size()) +
                          " lanes");
    }
    if (!layout.lane_bytes.empty() && layout.lane_bytes.size() != s.lanes.size()) {
        throw usage_error("simulate_blocks: expected the bytes of each lane or of none");
    }
    if (layout.chunk_bytes < 1 || layout.slots < 1 || !(costs.chunk_us >= 0) || !(costs.latency_us >= 0) ||
        !(costs.call_us >= 0) || !(costs.block_GBps > 0) || !(costs.patience_us > 0) || !(costs.look_us >= 0) ||
        !(costs.both_ways >= 1) || !(costs.combine_us >= 0) || !(costs.memory_GBps > 0)) {
        throw usage_error("simulate_blocks: expected chunks, slots, rates and patience above 0, no times below 0");
    }
    block_times result{bytes, 0, 0, {}};
    const std::size_t shards = is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1;
    result.lane_seconds = detail::block_loop(s, f, bytes / shards, layout, costs).run();
    const auto last = std::ranges::max_element(result.lane_seconds);
    if (last != result.lane_seconds.end() && *last > 0) {
        result.seconds = *last + costs.call_us * 1e-6;
        result.GBps = rate_GBps(static_cast<double>(bytes), result.seconds);
    }
    return result;
}

} // namespace blink
