// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes by copy engines, and how it is cut then.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_plan.hpp>

#include <algorithm>
#include <cstddef>

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
[[nodiscard]] BLINK_INLINE copy_call copy_call_of(const exchange& e, std::size_t element_bytes);

/// True for an AllReduce, whose two buffers are alike and whose data go both ways.
[[nodiscard]] constexpr bool is_all_reduce(const copy_call& call) noexcept {
    return call.combines && call.both_ways && call.bytes == call.crossing;
}

/// Bytes between two ranks from which on copies carry a call by themselves, 0: they never do. They carry a Reduce for
/// the sake of a share over the host. That does not pay in a ReduceScatter, of which each GPU's memory gets the most to
/// do.
[[nodiscard]] constexpr std::size_t least_copied(const copy_call& call, const tuning& tuned) noexcept {
    if (is_all_reduce(call)) { return tuned.copies_all_reduce_from; }
    if (!call.combines) { return tuned.copies_from; }
    const bool scatters = call.bytes > call.crossing;
    const bool shared = !scatters && (call.both_ways ? tuned.host_share_both : tuned.host_share) > 0;
    return shared && tuned.copies_reduce_from > 0 ? std::max(tuned.copies_reduce_from, tuned.host_share_from) : 0;
}

/// Whether copies are asked for, or taken by themselves: between two ranks and from a tuned size on.
/// @param captured tells whether the call is captured into a graph, which spares the host's time for each copy
template <class Captured>
[[nodiscard]] constexpr bool takes_copies(protocol how, const copy_call& call, const tuning& tuned,
                                          const Captured& captured) {
    if (how != protocol::automatic) { return how == protocol::copies; }
    if (call.ranks != 2) { return false; }
    const auto reaches = [&](std::size_t from) { return from > 0 && call.crossing >= from; };
    if (reaches(least_copied(call, tuned))) { return true; }
    return !call.combines && reaches(tuned.copies_from_captured) && captured();
}

/// The tuning of a group whose ranks use at most `blocks` blocks, 0: as many as tuned. With half of those or fewer,
/// kernels carry an AllReduce so much slower that copies are faster from half the size on.
[[nodiscard]] constexpr tuning tuned_for_blocks(tuning tuned, int blocks) noexcept {
    if (blocks > 0 && blocks <= tuned.most_blocks / 2) { tuned.copies_all_reduce_from /= 2; }
    return tuned;
}

/// Cuts a call for its size. Pieces are large enough that a copy's beginning costs little, and small enough that a
/// pipeline of them fills soon.
/// @param chunk_bytes 0, or what the caller wants; pieces over the host are then a quarter of it
[[nodiscard]] BLINK_INLINE copy_shape shape_copies(const copy_call& call, std::size_t element_bytes,
                                                   std::size_t chunk_bytes, const tuning& tuned);

/// The largest share over the host that running calls may be given in search of the best one: double the tuned one,
/// but in an AllReduce no more than 80 per mille unless more are tuned, since with more some graphs of several calls
/// took several times as long, for a reason in the driver that was not found.
[[nodiscard]] BLINK_INLINE double most_host_share(const copy_call& call, const tuning& tuned);

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/copy_choice_impl.hpp>
#endif
