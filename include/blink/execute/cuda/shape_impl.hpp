// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How a call is laid over blocks.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>

namespace blink::cuda {
namespace detail {

/// What lanes that do not end together cost, as `deal_blocks` sees it.
enum class evenness : unsigned char {
    ignored, ///< short calls, in which each thread has one unit
    weighed
};

/// By how much the elements a block of two lanes may differ before the lanes no longer end together.
inline constexpr double even_enough = 1.04;

/// Blocks for each lane in proportion to its elements, at least one each and at most `total` in all.
///
/// Lanes that share a link share it by their blocks, so blocks out of proportion to the elements hold up the others.
/// Where evenness is weighed, up to a quarter of the blocks stay unused for it: a lane's blocks are worth their number,
/// and the unevenness, the most elements a block over the least, counts by its square. Smaller lanes may be ahead by
/// `even_enough`, since their turns on a link come later where they wait for others too: over emulated links three
/// lanes of 3 : 1 : 1 carried 60.7 GB/s with 52, 18 and 18 blocks, and 59.0 with 51, 17 and 17. Else, and among equals,
/// those blocks stay unused that would not make the slowest lane faster.
inline void deal_blocks(call_shape& shape, std::size_t lane_count, int total, std::uint64_t elements,
                        evenness weight = evenness::ignored) {
    const std::span lanes = std::span(shape.lanes).first(lane_count);
    const auto load = [](const lane_slice& l) { return static_cast<double>(l.end - l.begin) / l.blocks; };
    const auto slower = [&](const lane_slice& a, const lane_slice& b) { return load(a) < load(b); };
    const double begin = weight == evenness::weighed ? 0.75 * total : total;
    int dealt = 0;
    for (lane_slice& l : lanes) {
        const double share = elements == 0 ? 0 : static_cast<double>(l.end - l.begin) / static_cast<double>(elements);
        l.blocks = std::max(1, static_cast<int>(share * begin));
        dealt += l.blocks;
    }
    if (dealt > total) {
        for (lane_slice& l : lanes) { l.blocks = 1; }
        dealt = static_cast<int>(lane_count);
    }
    const auto cost = [&] {
        const auto [least, most] = std::minmax_element(lanes.begin(), lanes.end(), slower);
        if (weight == evenness::ignored || load(*least) == 0) { return load(*most); }
        const bool small_ahead = least->end - least->begin < most->end - most->begin;
        const double uneven = std::max(load(*most) / load(*least) / (small_ahead ? even_enough : 1), 1.0);
        return load(*most) * uneven * uneven;
    };
    std::array<lane_slice, max_lanes> best = shape.lanes;
    for (double least = cost(); dealt < total; ++dealt) {
        ++std::max_element(lanes.begin(), lanes.end(), slower)->blocks;
        if (cost() < least * (1 - 1e-3)) { // equal lanes differ by the rounding of their ends
            least = cost();
            best = shape.lanes;
        }
    }
    shape.lanes = best;
    shape.blocks = 0;
    for (lane_slice& l : lanes) {
        l.first_block = shape.blocks;
        shape.blocks += l.blocks;
    }
}

/// Lanes that lie one behind the other take half of what rounding left between their blocks' shares and their own,
/// where that is more than `even_enough` and no more than a tenth of any lane: so neither the blocks nor the links are
/// held up by all of it.
inline void shift_towards_blocks(call_shape& shape, std::size_t lane_count, std::uint64_t elements) {
    const std::span lanes = std::span(shape.lanes).first(lane_count);
    double least = 2;
    double most = 0;
    const auto by_blocks = [&](const lane_slice& l) {
        return static_cast<double>(elements) * l.blocks / static_cast<double>(shape.blocks);
    };
    for (const lane_slice& l : lanes) {
        const double part = by_blocks(l) / std::max(static_cast<double>(l.end - l.begin), 1.0);
        least = std::min(least, part);
        most = std::max(most, part);
    }
    if (most <= least * even_enough || least < 0.9 || most > 1.1) { return; }
    double end = 0;
    std::uint64_t begin = 0;
    for (lane_slice& l : lanes) {
        end += (by_blocks(l) + static_cast<double>(l.end - l.begin)) / 2;
        l.begin = begin;
        l.end = std::max(begin, static_cast<std::uint64_t>(end) / shape.grain * shape.grain);
        begin = l.end;
    }
    lanes.back().end = elements;
}

/// Where the elements of each lane lie; returns how many there are in all.
/// @param stride elements from a shard to the next
[[nodiscard]] inline std::uint64_t lay_lanes(call_shape& shape, const schedule& s, std::size_t count,
                                             std::size_t stride) {
    const auto ranges = split(s, count, shape.grain);
    std::uint64_t elements = 0;
    for (std::size_t l = 0; l < ranges.size(); ++l) {
        elements += ranges[l].size();
        shape.lanes[l].begin = ranges[l].begin;
        shape.lanes[l].end = ranges[l].end;
        const lane_offset offset = offset_of(s, s.lanes[l], stride);
        shape.lanes[l].in_offset = offset.in;
        shape.lanes[l].out_offset = offset.out;
    }
    return elements;
}

/// Elements of whole lines, 128 bytes, that cross a link as one packet: what blocks are cut at.
[[nodiscard]] constexpr std::uint32_t grain_of(std::size_t element_bytes) {
    constexpr std::size_t line = 128;
    return static_cast<std::uint32_t>(line / std::gcd(line, element_bytes));
}

} // namespace detail

BLINK_INLINE call_shape make_shape(const schedule& s, std::size_t count, std::size_t element_bytes,
                                   const shape_limits& limits) {
    const int lane_count = static_cast<int>(s.lanes.size());
    if (lane_count > limits.blocks) {
        throw usage_error(std::to_string(lane_count) + " lanes need a block each, only " +
                          std::to_string(limits.blocks) + " fit on the GPU: give fewer trees or more blocks");
    }
    constexpr std::size_t bytes_per_block = 16u << 10;
    call_shape shape;
    shape.grain = detail::grain_of(element_bytes);
    for (const lane& l : s.lanes) {
        for (const role& r : l.roles) {
            shape.slot_rows = std::max(shape.slot_rows, static_cast<std::uint16_t>(r.reduce_from.size()));
        }
    }
    if (limits.slots_down && hands_on(s.kind)) { ++shape.slot_rows; }
    const std::uint64_t elements =
        detail::lay_lanes(shape, s, count, limits.shard_stride > 0 ? limits.shard_stride : count);
    const std::size_t bytes = elements * element_bytes;
    const std::size_t wanted =
        std::min<std::size_t>(bytes / bytes_per_block + 1, static_cast<std::size_t>(limits.blocks));
    const std::size_t grain_bytes = shape.grain * element_bytes;
    for (int blocks = std::max(static_cast<int>(wanted), lane_count);; blocks = std::max(blocks / 2, lane_count)) {
        detail::deal_blocks(shape, s.lanes.size(), blocks, elements, detail::evenness::weighed);
        if (!is_sharded(s.kind)) { detail::shift_towards_blocks(shape, s.lanes.size(), elements); }
        const std::size_t block_bytes = bytes / static_cast<std::size_t>(blocks) + 1;
        const std::size_t chosen =
            limits.chunk_bytes != 0
                ? std::max(limits.chunk_bytes, least_chunk_bytes(bytes))
                : std::clamp(block_bytes / 16, std::min<std::size_t>(8u << 10, limits.most_chunk_bytes),
                             limits.most_chunk_bytes);
        const std::size_t fitting =
            shape.slot_rows == 0
                ? chosen
                : limits.slot_memory / (static_cast<std::size_t>(blocks) * shape.slot_rows * shape.slots_per_child);
        const std::size_t grains = std::min(std::max<std::size_t>(chosen / grain_bytes, 1), fitting / grain_bytes);
        if (grains > 0) {
            shape.chunk_elements = static_cast<std::uint32_t>(grains * shape.grain);
            shape.slot_bytes = static_cast<std::uint32_t>(grains * grain_bytes);
            return shape;
        }
        if (blocks == lane_count) {
            throw usage_error("elements of " + std::to_string(element_bytes) + " bytes do not fit into " +
                              std::to_string(limits.slot_memory) + " bytes of slot memory");
        }
    }
}

BLINK_INLINE std::optional<call_shape> make_stream_shape(const schedule& s, std::size_t count,
                                                         std::size_t element_bytes, int elements_a_unit,
                                                         int most_blocks) {
    const auto lanes = static_cast<std::uint64_t>(s.lanes.size());
    const auto most = static_cast<std::uint64_t>(std::max(most_blocks, 0));
    if (lanes > most) { return std::nullopt; }
    call_shape shape;
    shape.grain = detail::grain_of(element_bytes);
    const std::uint64_t elements = detail::lay_lanes(shape, s, count, count);
    const std::uint64_t grains = elements / shape.grain + lanes; // each lane may end in a part of one
    const std::uint64_t units_a_grain = (shape.grain - 1) / static_cast<unsigned>(elements_a_unit) + 1;
    const std::uint64_t units_a_lane = elements / static_cast<unsigned>(elements_a_unit) / lanes + 1;
    const auto blocks_of = [&](std::uint64_t threads) {
        const std::uint64_t grains_a_block = std::max<std::uint64_t>(threads / units_a_grain, 1);
        return (grains - 1) / grains_a_block + 1;
    };
    std::uint64_t threads = 32; // of a team at least
    while (threads < 128 && threads < units_a_lane) { threads *= 2; }
    while (threads < block_threads && blocks_of(threads) > most) { threads *= 2; }
    shape.threads = static_cast<int>(threads);
    detail::deal_blocks(shape, s.lanes.size(), static_cast<int>(std::clamp(blocks_of(threads), lanes, most)), elements);
    return shape;
}

} // namespace blink::cuda
