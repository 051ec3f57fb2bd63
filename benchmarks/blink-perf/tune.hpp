// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Finds the tuning of a machine by measuring AllReduce on it.
#pragma once

#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>

#include <cstddef>
#include <functional>

namespace blink_perf {

/// One way to run an AllReduce.
struct tuning_point {
    std::size_t bytes = 0;
    blink::protocol how = blink::protocol::chunks;
    int blocks = 0;              ///< 0: as many as the built-in tuning allows
    std::size_t chunk_bytes = 0; ///< 0: the executor chooses
};

/// Seconds of one call; a negative number where the machine cannot run it so.
using tuning_measure = std::function<double(const tuning_point&)>;

/// What a machine of `ranks` should use. Cells are taken up to the last size at which they are at most 2 % slower than
/// chunks, at that size and at all below, over trees and straight; behind them pulling, as long as it is faster; of
/// blocks, the fewest that come within 2 % of the best; of chunks, the fastest.
/// @param largest bytes of the calls by which blocks and chunks are chosen
[[nodiscard]] blink::tuning find_tuning(int ranks, std::size_t largest, const tuning_measure& measure);

} // namespace blink_perf
