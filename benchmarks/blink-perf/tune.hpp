// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Finds the tuning of a machine by measuring AllReduce on it, and between two ranks Broadcast, AllGather and Reduce.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>

#include <cstddef>
#include <functional>

namespace blink_perf {

/// One way to run a collective.
struct tuning_point {
    std::size_t bytes = 0; ///< of the larger buffer
    blink::protocol how = blink::protocol::chunks;
    int blocks = 0;              ///< 0: as many as the tuning allows
    std::size_t chunk_bytes = 0; ///< 0: the executor chooses
    blink::collective kind = blink::collective::allreduce;
    bool in_graphs = true;     ///< else on streams, call by call
    bool in_processes = false; ///< a rank each; else one with all ranks
    blink::tuning tuned{};     ///< what decides where all this is left open
};

/// Seconds of one call; a negative number where the machine cannot run it so.
using tuning_measure = std::function<double(const tuning_point&)>;

/// A call that is less than 2 % longer is not longer.
inline constexpr double tie = 1.02;

/// What a machine of `ranks` should use. Cells are taken up to the last size at which they are at most 2 % slower than
/// chunks, at that size and at all below, over trees and straight; behind them pulling, as long as it is faster; of
/// blocks, the fewest that come within 2 % of the best; of chunks, the fastest. Chunks move by bulk copies and long
/// calls by copy engines as `tune_bulk`, `tune_copies` and `tune_beside_kernels` say.
/// @param largest bytes of the calls by which blocks and chunks are chosen; those by which shares over the host are
///        chosen are eight times as long
[[nodiscard]] blink::tuning find_tuning(int ranks, std::size_t largest, const tuning_measure& measure);

/// Bulk copies: up to the most blocks with which, as with all fewer ones, a call of `largest` bytes is shorter, and
/// from the size on at which a call over half of these blocks is; of chunks, the fastest.
void tune_bulk(std::size_t largest, const tuning_measure& measure, blink::tuning& found);

/// Copies between two ranks. Of shares over the host the one with the shortest calls of `largest` bytes in the slower
/// of graphs and streams, none where it gains less than 1 %, and from the size on at which it gains. Then the sizes
/// from which copies are faster than what `found` takes without them; no AllGather or Broadcast may be slower, and of
/// reductions no graph and no stream.
void tune_copies(std::size_t largest, const tuning_measure& measure, blink::tuning& found);

/// The share over the host beside the kernels of an AllReduce between two processes, found likewise for calls of
/// `largest` bytes; none where the shortest calls that `found` would give it do not gain by it.
void tune_beside_kernels(std::size_t largest, const tuning_measure& measure, blink::tuning& found);

} // namespace blink_perf
