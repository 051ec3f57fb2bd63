// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a group of ranks offers beside its collectives over trees, so that Gather and its kin are short functions.
#pragma once

#include <blink/communicator/host_exchange.hpp>
#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/options.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/schedule/exchange.hpp>

#include <span>

#if defined(__CUDACC__)
#include <blink/communicator/cuda_exchange.cuh>
#include <blink/communicator/process_exchange.cuh>
#endif

namespace blink {

/// A `rank_group` that also has `run(exchange, in, out, options)`: checks everything (usage_error before anything
/// moves), then starts the transfers, in order with the group's other calls. It may return before the end.
template <class G>
concept exchange_group = rank_group<G> && requires(G& g, const exchange& e, std::span<const float* const> in,
                                                   std::span<float* const> out, const options& choices) {
    g.run(e, in, out, choices);
};

/// The same for a group of which this process drives one rank: `run(exchange, in, out, options, stream)` with that
/// rank's buffers, where every rank gives the same exchange.
template <class G>
concept one_rank_exchange_group = one_rank_group<G> &&
    requires(G& g, const exchange& e, const float* in, float* out, const options& choices, stream_choice<G> stream) {
    g.run(e, in, out, choices, stream);
};

} // namespace blink
