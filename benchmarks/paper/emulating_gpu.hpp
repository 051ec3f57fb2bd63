// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The GPU that emulates links, as the model takes it: every constant of the model that was fitted or measured.
#pragma once

#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/simulate/block_model.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace blink_paper {

/// One GPU plays all ranks, so its memory is what eight GPUs share; slower links leave the links the bottleneck.
[[nodiscard]] constexpr double scale_for(std::size_t ranks) { return ranks <= 5 ? 1 : ranks == 6 ? 0.5 : 0.25; }

/// Blocks of 512 threads that an H200 holds at once: 132 multiprocessors, two blocks each by the registers of the
/// kernel (64 by `ptxas -v`).
inline constexpr int resident_blocks = 132 * 2;

/// Of a block's chunk at most. Long calls have as large ones as real GPUs; with half of that, trees fill and drain
/// sooner, and links of 20 to 50 GB/s are full all the same.
[[nodiscard]] constexpr std::size_t most_chunk_bytes(std::size_t bytes) {
    return bytes < std::size_t{256} << 20 ? 32U << 10 : 64U << 10;
}

/// What a block of that GPU spends, as blocks without links showed: with links a thousand times as fast a block takes
/// 2.7 us a chunk of 4 KiB that it hands on and 0.8 more where it combines, and 2.7 more for 64 KiB; with as many
/// blocks as fit, all of them together move 2.5 to 2.8 TB/s, of which the middle stands here.
///
/// A thread looks at the abort word after 1024 polls (`wait_until`), here of 0.22 us each. That looks of one GPU follow
/// one another, by 2 us, is inferred. Neither was measured alone.
inline constexpr blink::block_costs h200_costs{.chunk_us = 2.6,
                                               .block_GBps = 77,
                                               .both_ways = 2,
                                               .combine_us = 0.8,
                                               .memory_GBps = 2650,
                                               .latency_us = 0.2,
                                               .call_us = 5.3,
                                               .patience_us = 230,
                                               .look_us = 2};

/// How the CUDA executor lays `bytes` of floats over the blocks of such a GPU that plays all ranks of `s`.
/// Where there are more lanes than the executor takes, as if it took a block for each.
/// @param chunk_bytes 0: as the executor chooses
[[nodiscard]] inline blink::block_layout layout_on_gpu(const blink::schedule& s, std::size_t bytes,
                                                       std::size_t chunk_bytes = 0) {
    if (s.lanes.size() > blink::cuda::max_lanes) {
        return {std::vector<int>(s.lanes.size(), 1), chunk_bytes == 0 ? most_chunk_bytes(bytes) : chunk_bytes, 4, {}};
    }
    const blink::cuda::shape_limits limits{.blocks = std::min(128, resident_blocks / s.ranks),
                                           .slot_memory = 32U << 20,
                                           .chunk_bytes = chunk_bytes,
                                           .most_chunk_bytes = most_chunk_bytes(bytes)};
    const auto shape = blink::cuda::make_shape(s, bytes / sizeof(float), sizeof(float), limits);
    blink::block_layout layout{{}, shape.chunk_elements * sizeof(float), shape.slots_per_child, {}};
    for (const blink::cuda::lane_slice& l : std::span(shape.lanes).first(s.lanes.size())) {
        layout.blocks.push_back(l.blocks);
        layout.lane_bytes.push_back((l.end - l.begin) * sizeof(float));
    }
    return layout;
}

/// All links at `scale` times their rate.
[[nodiscard]] inline blink::fabric scaled(blink::fabric f, double scale) {
    for (blink::link& l : f.links) { l.GBps *= scale; }
    return f;
}

} // namespace blink_paper
