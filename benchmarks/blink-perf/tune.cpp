// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tune.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace blink_perf {

namespace {

constexpr double tie = 1.02; ///< times as long is no difference

/// Up to which of `sizes` lines are taken, and up to which packets behind them; 0 where never.
std::pair<std::size_t, std::size_t> reaches(blink::protocol lines, blink::protocol packets,
                                            const std::vector<std::size_t>& sizes, const std::vector<double>& chunks,
                                            const tuning_measure& measure) {
    std::size_t lines_up_to = 0;
    std::size_t packets_up_to = 0;
    bool lines_lead = true;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const double in_lines = measure({.bytes = sizes[i], .how = lines});
        const double in_packets = measure({.bytes = sizes[i], .how = packets});
        const auto keeps_up = [&](double seconds, double with) { return seconds >= 0 && seconds <= tie * with; };
        lines_lead = lines_lead && keeps_up(in_lines, chunks[i]) && (in_packets < 0 || keeps_up(in_lines, in_packets));
        if (lines_lead) { lines_up_to = sizes[i]; }
        if (!lines_lead && !keeps_up(in_packets, chunks[i])) { break; }
        packets_up_to = sizes[i];
    }
    return {lines_up_to, packets_up_to};
}

} // namespace

blink::tuning find_tuning(int ranks, std::size_t largest, const tuning_measure& measure) {
    blink::tuning found;
    std::vector<std::size_t> sizes;
    std::vector<double> chunks;
    for (std::size_t bytes = 1U << 10; bytes <= 2U << 20; bytes *= 2) {
        sizes.push_back(bytes);
        chunks.push_back(measure({.bytes = bytes}));
    }
    const auto sent_to = static_cast<std::size_t>(ranks - 1);
    using blink::protocol;
    std::tie(found.lines_up_to, found.packets_up_to) =
        reaches(protocol::lines, protocol::packets, sizes, chunks, measure);
    std::tie(found.all_pairs_up_to, found.all_pairs_packets_up_to) =
        reaches(protocol::all_pairs, protocol::all_pairs_packets, sizes, chunks, measure);
    found.all_pairs_up_to *= sent_to;
    found.all_pairs_packets_up_to *= sent_to;

    const std::size_t in_packets =
        std::max(found.packets_up_to, sent_to == 0 ? 0 : found.all_pairs_packets_up_to / sent_to);
    for (std::size_t bytes = 1U << 16; bytes <= 4 * largest; bytes *= 2) {
        if (bytes <= in_packets) { continue; }
        const double pulled = measure({.bytes = bytes, .how = protocol::pull});
        if (pulled < 0 || pulled >= measure({.bytes = bytes})) { break; }
        found.pull_up_to = bytes;
    }

    std::vector<std::pair<int, double>> by_blocks;
    double best = -1;
    for (const int blocks : {8, 16, 32, 64, 96, 128}) {
        const double seconds = measure({.bytes = largest, .blocks = blocks});
        if (seconds < 0) { continue; }
        by_blocks.emplace_back(blocks, seconds);
        if (best < 0 || seconds < best) { best = seconds; }
    }
    for (const auto& [blocks, seconds] : by_blocks) {
        if (seconds <= tie * best) {
            found.most_blocks = blocks;
            break;
        }
    }

    best = -1;
    for (std::size_t bytes = 16U << 10; bytes <= 256U << 10; bytes *= 2) {
        const double seconds = measure({.bytes = largest, .blocks = found.most_blocks, .chunk_bytes = bytes});
        if (seconds < 0 || (best >= 0 && seconds >= best)) { continue; }
        best = seconds;
        found.most_chunk_bytes = bytes;
    }
    return found;
}

} // namespace blink_perf
