// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tune.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace blink_perf {

namespace {

/// Up to which of `sizes` calls that travel in cells keep up with chunks; 0 where never.
std::size_t reach(blink::protocol how, const std::vector<std::size_t>& sizes, const std::vector<double>& chunks,
                  const tuning_measure& measure, const blink::tuning& tuned) {
    std::size_t up_to = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const double seconds = measure({.bytes = sizes[i], .how = how, .tuned = tuned});
        if (seconds < 0 || seconds > tie * chunks[i]) { break; }
        up_to = sizes[i];
    }
    return up_to;
}

} // namespace

blink::tuning find_tuning(int ranks, std::size_t largest, const tuning_measure& measure) {
    blink::tuning found;
    tune_bulk(largest, measure, found);
    std::vector<std::size_t> sizes;
    std::vector<double> chunks;
    for (std::size_t bytes = 1U << 10; bytes <= 4 * largest; bytes *= 2) {
        sizes.push_back(bytes);
        chunks.push_back(measure({.bytes = bytes, .tuned = found}));
    }
    const blink::tuning as_bulk = found;
    const auto sent_to = static_cast<std::size_t>(ranks - 1);
    using blink::protocol;
    // An AllReduce goes both ways, for which half is taken.
    found.cells_up_to = 2 * std::max<std::size_t>(sent_to, 1) * reach(protocol::cells, sizes, chunks, measure, as_bulk);
    found.all_pairs_up_to = sent_to * reach(protocol::all_pairs, sizes, chunks, measure, as_bulk);

    const std::size_t in_cells =
        std::max(found.cells_up_to / 2, found.all_pairs_up_to) / std::max<std::size_t>(sent_to, 1);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] < 1U << 16 || sizes[i] <= in_cells) { continue; }
        const double pulled = measure({.bytes = sizes[i], .how = protocol::pull, .tuned = as_bulk});
        if (pulled < 0 || pulled >= chunks[i]) { break; }
        found.pull_up_to = sizes[i];
    }

    std::vector<std::pair<int, double>> by_blocks;
    double best = -1;
    for (const int blocks : {8, 16, 32, 64, 96, 128}) {
        const double seconds = measure({.bytes = largest, .blocks = blocks, .tuned = as_bulk});
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

    blink::tuning by_stores = as_bulk; // bulk copies have chunks of their own
    by_stores.bulk_from = 0;
    best = -1;
    for (std::size_t bytes = 16U << 10; bytes <= 256U << 10; bytes *= 2) {
        const double seconds =
            measure({.bytes = largest, .blocks = found.most_blocks, .chunk_bytes = bytes, .tuned = by_stores});
        if (seconds < 0 || (best >= 0 && seconds >= best)) { continue; }
        best = seconds;
        found.most_chunk_bytes = bytes;
    }
    if (ranks == 2) {
        tune_copies(8 * largest, measure, found);
        tune_beside_kernels(8 * largest, measure, found);
    }
    return found;
}

} // namespace blink_perf
