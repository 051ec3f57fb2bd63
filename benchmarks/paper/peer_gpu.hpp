// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A machine with a GPU for each rank, as the model takes it: every constant of the model, with its source.
#pragma once

#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/simulate/block_model.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace blink_paper {

/// What a rank on a GPU of its own spends, whatever the schedule. Measured between two H200s: a flag goes to the peer
/// and back in 2.66 us, 8 blocks of 512 threads store 352 GB/s into the peer, an empty kernel costs 3.2 us a launch on
/// a stream. Assumed: 0.5 us of work for a chunk besides its bytes.
inline constexpr blink::block_costs peer_costs{.chunk_us = 0.5, .block_GBps = 44, .latency_us = 1.33, .call_us = 3.2};

/// How the executor lays a call of floats over such a GPU.
/// @param chunk_bytes 0: as the executor chooses
[[nodiscard]] inline blink::block_layout layout_on_peers(const blink::schedule& s, std::size_t bytes,
                                                         std::size_t chunk_bytes = 0) {
    constexpr int blocks = 128; // the executor's default
    if (s.lanes.size() > blink::cuda::max_lanes) {
        const auto each = std::max<std::size_t>(1, blocks / s.lanes.size());
        return {std::vector<int>(s.lanes.size(), static_cast<int>(each)),
                chunk_bytes == 0 ? 64U << 10 : chunk_bytes,
                4,
                {}};
    }
    const std::size_t shards = blink::is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1;
    const auto shape =
        blink::cuda::make_shape(s, bytes / shards / sizeof(float), sizeof(float),
                                {.blocks = blocks, .slot_memory = 32U << 20, .chunk_bytes = chunk_bytes});
    blink::block_layout layout{{}, shape.chunk_elements * sizeof(float), shape.slots_per_child, {}};
    for (const blink::cuda::lane_slice& l : std::span(shape.lanes).first(s.lanes.size())) {
        layout.blocks.push_back(l.blocks);
        layout.lane_bytes.push_back((l.end - l.begin) * sizeof(float));
    }
    return layout;
}

struct tuned_times {
    blink::block_times times;
    std::size_t chunk_bytes = 0;
};

/// The fastest of the executor's own chunk size and 2 KiB to 512 KiB, where a policy that learns would end.
[[nodiscard]] inline tuned_times best_chunk(const blink::schedule& s, const blink::fabric& f, std::size_t bytes,
                                            const blink::block_costs& costs = peer_costs) {
    constexpr std::size_t most_chunks = 20'000;
    tuned_times best;
    std::size_t tried = 0;
    int worse = 0;
    const auto attempt = [&](std::size_t chunk) {
        const blink::block_layout layout = layout_on_peers(s, bytes, chunk);
        if (layout.chunk_bytes == tried) { return; } // more would not fit
        tried = layout.chunk_bytes;
        blink::block_times t = blink::simulate_blocks(s, f, bytes, layout, costs);
        worse = best.chunk_bytes != 0 && t.seconds > best.times.seconds * (1 + 1e-9) ? worse + 1 : 0;
        if (best.chunk_bytes == 0 || t.seconds < best.times.seconds) { best = {std::move(t), layout.chunk_bytes}; }
    };
    attempt(0);
    for (std::size_t chunk = 512U << 10; chunk >= 2U << 10 && bytes / chunk <= most_chunks; chunk /= 2) {
        if (chunk * 4 < best.chunk_bytes && worse >= 2) { break; }
        attempt(chunk);
    }
    return best;
}

} // namespace blink_paper
