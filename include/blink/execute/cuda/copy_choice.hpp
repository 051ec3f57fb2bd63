// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes by copy engines, and how it is cut then.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/schedule/exchange.hpp>
#include <blink/schedule/hybrid_split.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink::cuda {

/// What the choice depends on.
struct copy_call {
    std::size_t bytes = 0;    ///< of the larger buffer
    std::size_t crossing = 0; ///< bytes between two ranks, in each direction that is used
    int ranks = 0;
    bool combines = false;  ///< else data are only moved
    bool both_ways = false; ///< between two ranks data go both ways at once
};

/// What a collective among `ranks` asks of copies.
[[nodiscard]] constexpr copy_call copy_call_of(collective kind, int ranks, std::size_t count,
                                               std::size_t element_bytes) noexcept {
    const std::size_t shards = is_sharded(kind) ? static_cast<std::size_t>(ranks) : 1;
    return {shards * count * element_bytes, count * element_bytes, ranks, reduces(kind), !is_rooted(kind)};
}

/// What an exchange asks of copies.
[[nodiscard]] inline copy_call copy_call_of(const exchange& e, std::size_t element_bytes) {
    copy_call call{std::max(input_count(e), output_count(e)) * element_bytes, 0, e.ranks, false, false};
    std::vector<std::size_t> sent(static_cast<std::size_t>(e.ranks), 0);
    for (const transfer& t : e.transfers) {
        if (t.from != t.to) { sent[static_cast<std::size_t>(t.from)] += t.count * element_bytes; }
    }
    call.crossing = *std::ranges::max_element(sent);
    call.both_ways = std::ranges::count_if(sent, [](std::size_t n) { return n > 0; }) > 1;
    return call;
}

/// Whether copies are asked for, or taken by themselves: between two ranks and from a tuned size on.
[[nodiscard]] constexpr bool takes_copies(protocol how, const copy_call& call, const tuning& tuned) noexcept {
    if (how != protocol::automatic) { return how == protocol::copies; }
    const std::size_t from = call.combines ? tuned.copies_reduce_from : tuned.copies_from;
    return from > 0 && call.ranks == 2 && call.bytes >= from;
}

/// Cuts a call for its size. Pieces are large enough that a copy's beginning costs little, and small enough that a
/// pipeline of them fills soon.
/// @param chunk_bytes 0, or what the caller wants; pieces over the host are then a quarter of it
[[nodiscard]] inline copy_shape shape_copies(const copy_call& call, std::size_t element_bytes, std::size_t chunk_bytes,
                                             const tuning& tuned) {
    constexpr std::size_t mib = 1u << 20;
    constexpr std::size_t slot_memory = 64 * mib; // of a rank, where the caller does not ask for larger chunks
    const bool automatic = chunk_bytes == 0;
    const auto peers = static_cast<std::size_t>(std::max(call.ranks - 1, 1));
    copy_shape shape;
    shape.granule = 128;
    const std::size_t most = std::max(slot_memory / (static_cast<std::size_t>(shape.slots) * peers), mib);
    if (automatic) { chunk_bytes = std::clamp(call.bytes / 16, mib, most); }

    const int per_mille = call.both_ways ? tuned.host_share_both : tuned.host_share;
    const double full_share = std::clamp(per_mille, 0, 1000) / 1000.0;
    const double by_host = full_share * static_cast<double>(call.crossing);
    const std::size_t piece = automatic ? std::clamp(static_cast<std::size_t>(by_host / 24), mib / 2, 4 * mib)
                                        : std::max<std::size_t>(chunk_bytes / 4, 1);
    shape.chunk = std::max<std::size_t>(chunk_bytes / element_bytes, 1);
    shape.host_piece = std::max<std::size_t>(piece / element_bytes, 1);
    if (full_share > 0 && call.ranks == 2) {
        // The host's way begins to deliver one piece later, and the first events and copies take their time.
        const double begin = static_cast<double>(piece) * (call.combines ? 2 : 1) + (automatic ? mib : 0);
        shape.host_share =
            full_share < 1 ? hybrid_share(call.crossing, {1 - full_share, full_share, begin / full_share * 1e-9}) : 1;
    }
    return shape;
}

} // namespace blink::cuda
