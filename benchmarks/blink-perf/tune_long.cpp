// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>

#include <algorithm>
#include <cstddef>

#include "tune.hpp"

namespace blink_perf {

namespace {

using blink::collective;
using blink::protocol;

constexpr double gain = 0.99;             ///< times as long is shorter
constexpr std::size_t least = 1U << 20;   ///< bytes from which long calls are measured
constexpr int share_step = 20;            ///< per mille
constexpr int most_share = 300;           ///< per mille
constexpr int most_all_reduce_share = 80; ///< graphs of several calls with more took up to several times as long

/// The smallest of the sizes, each the double of the one before, from which on all pass; 0 where the largest fails.
template <class Passes>
[[nodiscard]] std::size_t smallest_from(std::size_t largest, const Passes& passes) {
    std::size_t from = 0;
    for (std::size_t bytes = largest; bytes >= least && passes(bytes); bytes /= 2) { from = bytes; }
    return from;
}

/// Seconds in the slower one of graphs and streams; negative where one of them does not run.
[[nodiscard]] double slower(const tuning_measure& measure, tuning_point p) {
    p.in_graphs = true;
    const double graphs = measure(p);
    if (graphs < 0) { return graphs; }
    p.in_graphs = false;
    const double streams = measure(p);
    return streams < 0 ? streams : std::max(graphs, streams);
}

/// How a collective is told its share over the host.
struct shared_kind {
    collective kind;
    int blink::tuning::*share;
    std::size_t blink::tuning::*from;
    int most;
    protocol how = protocol::copies;
    bool in_processes = false;
};

/// Bytes of a call of which so many cross.
[[nodiscard]] std::size_t bytes_of(collective kind, std::size_t crossing) {
    return blink::is_sharded(kind) ? 2 * crossing : crossing;
}

/// Finds the share of one kind by calls of which `largest` bytes cross. Shares grow until one takes clearly longer than
/// the best one so far; then those half a step beside the best are tried.
/// @return from how many crossing bytes on it gains; 0 where there is no share
std::size_t tune_share(const shared_kind& k, std::size_t largest, const tuning_measure& measure, blink::tuning& found) {
    const auto seconds = [&](int share, std::size_t crossing) {
        blink::tuning t = found;
        t.*k.share = share;
        t.*k.from = 1;
        return slower(measure, {.bytes = bytes_of(k.kind, crossing),
                                .how = k.how,
                                .kind = k.kind,
                                .in_processes = k.in_processes,
                                .tuned = t});
    };
    found.*k.share = 0;
    const double alone = seconds(0, largest);
    if (alone < 0) { return 0; }
    int best_share = 0;
    double best = gain * alone;
    const auto consider = [&](int share) {
        const double now = seconds(share, largest);
        if (now >= 0 && now < best) {
            best = now;
            best_share = share;
        }
        return now;
    };
    for (int share = share_step; share <= k.most; share += share_step) {
        const double now = consider(share);
        if (now < 0 || now > tie * tie * best) { break; }
    }
    if (best_share == 0) { return 0; }
    const int middle = best_share;
    for (const int share : {middle - share_step / 2, middle + share_step / 2}) {
        if (share <= k.most) { (void)consider(share); }
    }
    found.*k.share = best_share;
    const std::size_t from = smallest_from(largest, [&](std::size_t crossing) {
        const double with = seconds(best_share, crossing);
        return with >= 0 && with < gain * seconds(0, crossing);
    });
    return from > 0 ? from : largest; // there it was just found to gain
}

} // namespace

void tune_bulk(std::size_t largest, const tuning_measure& measure, blink::tuning& found) {
    blink::tuning by_stores = found;
    by_stores.bulk_from = 0;
    blink::tuning in_bulk = found;
    in_bulk.bulk_from = 1;
    in_bulk.bulk_blocks = 1024;
    const auto is_shorter = [&](std::size_t bytes, int blocks) {
        const double stores = measure({.bytes = bytes, .blocks = blocks, .tuned = by_stores});
        const double bulk = measure({.bytes = bytes, .blocks = blocks, .tuned = in_bulk});
        return bulk >= 0 && (stores < 0 || bulk < gain * stores);
    };
    int most = 0;
    for (const int blocks : {8, 16, 32, 64, 96, 128}) {
        if (!is_shorter(largest, blocks)) { break; }
        most = blocks;
    }
    found.bulk_from = 0;
    if (most == 0) { return; }
    found.bulk_blocks = most;
    const int blocks = std::max(most / 2, 8);
    double best = -1;
    for (std::size_t bytes = 64U << 10; bytes <= 512U << 10; bytes *= 2) {
        const double seconds = measure({.bytes = largest, .blocks = blocks, .chunk_bytes = bytes, .tuned = in_bulk});
        if (seconds < 0 || (best >= 0 && seconds >= best)) { continue; }
        best = seconds;
        in_bulk.most_bulk_chunk_bytes = bytes;
    }
    found.most_bulk_chunk_bytes = in_bulk.most_bulk_chunk_bytes;
    found.bulk_from = smallest_from(largest, [&](std::size_t bytes) { return is_shorter(bytes, blocks); });
    if (found.bulk_from == 0) { found.bulk_from = largest; }
}

void tune_copies(std::size_t largest, const tuning_measure& measure, blink::tuning& found) {
    using t = blink::tuning;
    const std::size_t one_way =
        tune_share({collective::broadcast, &t::host_share, &t::host_share_from, most_share}, largest, measure, found);
    const std::size_t both_ways = tune_share(
        {collective::allgather, &t::host_share_both, &t::host_share_from, most_share}, largest, measure, found);
    const std::size_t all_reduce = tune_share(
        {collective::allreduce, &t::host_share_all_reduce, &t::host_share_all_reduce_from, most_all_reduce_share},
        largest, measure, found);
    if (one_way + both_ways > 0) { found.host_share_from = std::max(one_way, both_ways); }
    if (all_reduce > 0) { found.host_share_all_reduce_from = all_reduce; }

    blink::tuning without = found;
    without.copies_from = without.copies_from_captured = without.copies_all_reduce_from = without.copies_reduce_from =
        0;
    const auto is_shorter = [&](collective kind, std::size_t bytes, bool in_graphs) {
        const double copies =
            measure({.bytes = bytes, .how = protocol::copies, .kind = kind, .in_graphs = in_graphs, .tuned = without});
        const double other = measure(
            {.bytes = bytes, .how = protocol::automatic, .kind = kind, .in_graphs = in_graphs, .tuned = without});
        return copies >= 0 && (other < 0 || copies < other);
    };
    const auto moved_from = [&](bool in_graphs) {
        return smallest_from(largest, [&](std::size_t crossing) {
            return is_shorter(collective::broadcast, crossing, in_graphs) &&
                   is_shorter(collective::allgather, bytes_of(collective::allgather, crossing), in_graphs);
        });
    };
    const auto reduced_from = [&](collective kind) {
        return smallest_from(largest, [&](std::size_t bytes) {
            return is_shorter(kind, bytes, true) && is_shorter(kind, bytes, false);
        });
    };
    const std::size_t on_streams = moved_from(false);
    const std::size_t in_graphs = moved_from(true);
    const std::size_t all_reduced = reduced_from(collective::allreduce);
    // Without a share over the host, kernels reduce as fast.
    const std::size_t reduced = found.host_share > 0 ? reduced_from(collective::reduce) : 0;
    found.copies_from = on_streams;
    found.copies_from_captured = in_graphs;
    found.copies_all_reduce_from = all_reduced;
    found.copies_reduce_from = reduced;
}

void tune_beside_kernels(std::size_t largest, const tuning_measure& measure, blink::tuning& found) {
    using t = blink::tuning;
    const std::size_t least_shared = std::max(found.copies_all_reduce_from, found.host_share_all_reduce_from);
    found.host_share_beside_kernels = 0;
    if (found.copies_all_reduce_from == 0 || least_shared > largest) { return; }
    blink::tuning trial = found;
    const std::size_t from = tune_share({collective::allreduce, &t::host_share_beside_kernels,
                                         &t::host_share_all_reduce_from, most_share, protocol::automatic, true},
                                        largest, measure, trial);
    if (from > 0 && from <= least_shared) { found.host_share_beside_kernels = trial.host_share_beside_kernels; }
}

} // namespace blink_perf
