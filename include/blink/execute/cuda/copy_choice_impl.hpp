// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of copy_choice.hpp.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/schedule/exchange.hpp>
#include <blink/schedule/hybrid_split.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink::cuda {

BLINK_INLINE copy_call copy_call_of(const exchange& e, std::size_t element_bytes) {
    copy_call call{std::max(input_count(e), output_count(e)) * element_bytes, 0, e.ranks, false, false};
    std::vector<std::size_t> sent(static_cast<std::size_t>(e.ranks), 0);
    for (const transfer& t : e.transfers) {
        if (t.from != t.to) { sent[static_cast<std::size_t>(t.from)] += t.count * element_bytes; }
    }
    call.crossing = *std::ranges::max_element(sent);
    call.both_ways = std::ranges::count_if(sent, [](std::size_t n) { return n > 0; }) > 1;
    return call;
}

namespace detail {

/// Of what crosses in a direction, in a long call.
[[nodiscard]] inline double full_host_share(const copy_call& call, const tuning& tuned) {
    const int per_mille = is_all_reduce(call) ? tuned.host_share_all_reduce
                          : call.both_ways    ? tuned.host_share_both
                                              : tuned.host_share;
    return std::clamp(per_mille, 0, 1000) / 1000.0;
}

} // namespace detail

BLINK_INLINE double most_host_share(const copy_call& call, const tuning& tuned) {
    const double full = detail::full_host_share(call, tuned);
    return is_all_reduce(call) ? std::max(full, 0.080) : std::min(2 * full, 1.0);
}

BLINK_INLINE copy_shape shape_copies(const copy_call& call, std::size_t element_bytes, std::size_t chunk_bytes,
                                     const tuning& tuned) {
    constexpr std::size_t mib = 1u << 20;
    constexpr std::size_t slot_memory = 64 * mib;       // of a rank, where the caller does not ask for larger chunks
    constexpr std::size_t link_slot_memory = 128 * mib; // likewise, in an AllReduce between two ranks in place
    const bool automatic = chunk_bytes == 0;
    const auto peers = static_cast<std::size_t>(std::max(call.ranks - 1, 1));
    copy_shape shape;
    shape.granule = 128;
    const std::size_t most = std::max(slot_memory / (static_cast<std::size_t>(shape.slots) * peers), mib);
    const bool all_reduce = is_all_reduce(call);
    const bool pair = call.ranks == 2 && all_reduce;
    if (automatic) {
        // An engine takes some microseconds from one copy to the next: two pieces of each half are enough to combine
        // one while the other one moves.
        chunk_bytes = std::clamp(call.bytes / (pair ? 4 : 16), mib, pair ? link_slot_memory / 2 : most);
    }

    const std::size_t share_from = all_reduce ? tuned.host_share_all_reduce_from : tuned.host_share_from;
    const double full_share = detail::full_host_share(call, tuned);
    const double by_host = full_share * static_cast<double>(call.crossing);
    const std::size_t piece = automatic ? std::clamp(static_cast<std::size_t>(by_host / (call.combines ? 12 : 3)),
                                                     mib / 2, (call.combines ? 4 : 8) * mib)
                                        : std::max<std::size_t>(chunk_bytes / 4, 1);
    constexpr std::size_t most_elements = std::size_t{1} << 30; // a kernel counts in 32 bits
    shape.chunk = std::clamp<std::size_t>(chunk_bytes / element_bytes, 1, most_elements);
    if (pair && automatic) {
        shape.apart_chunk = std::clamp<std::size_t>((call.bytes / element_bytes + 3) / 4, 1, most_elements);
    }
    shape.host_piece = std::clamp<std::size_t>(piece / element_bytes, 1, most_elements);
    if (full_share > 0 && call.ranks == 2 && (!automatic || call.crossing >= share_from)) {
        // The host's way begins to deliver one piece later, and the first events and copies take their time.
        const double begin = static_cast<double>(piece) * (call.combines ? 2 : 1) + (automatic ? mib : 0);
        shape.host_share =
            full_share < 1 ? hybrid_share(call.crossing, {1 - full_share, full_share, begin / full_share * 1e-9}) : 1;
    }
    return shape;
}

} // namespace blink::cuda
