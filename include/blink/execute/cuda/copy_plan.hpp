// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A long call as copies between GPUs: which pieces go where, in which order, and what each of them waits for.
///
/// Copy engines move the data, along straight ways from each rank to each other, and beside these over host memory,
/// where PCIe has room that the links between the GPUs do not need. Reductions bring a peer's piece into memory of the
/// owner of that part of the result, combine it there by a kernel, and copy the result on; in a Reduce or ReduceScatter
/// between two ranks with a share over the host, copies carry only that share, beside the kernels of the trees. All of
/// it is a plain value: whoever follows the queues and the waits gets the right result, in whatever order the queues
/// advance.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace blink {

struct exchange;

namespace cuda {

/// What a step reads from or writes to. `slot` is memory of the library on the rank's GPU, `host` is host memory that
/// all GPUs see.
enum class copy_place : unsigned char { in, out, slot, host };

/// Elements from `offset` on, of the memory of `rank`; of all ranks where it is host memory.
struct copy_end {
    copy_place place = copy_place::in;
    int rank = 0;
    std::size_t offset = 0;

    friend bool operator==(const copy_end&, const copy_end&) = default;
};

/// `count` elements from `from` to `to`. A step that combines runs on the rank of `to`: it combines the elements of
/// `from`, which is that rank's own input, with those of all other ranks, which lie in its slots from `others` on,
/// `row` elements apart in ascending order of rank, and stores the result to `to`. Where `in_result`, the only other
/// rank's elements lie in `to` instead.
struct copy_step {
    int queue = 0;
    bool combines = false;
    copy_end from, to;
    std::size_t count = 0;
    std::size_t others = 0;
    std::size_t row = 0;
    bool in_result = false;
};

/// Whether a kernel of one rank moves it, out of a slot of its own: copy engines have enough to do.
[[nodiscard]] constexpr bool moves_by_kernel(const copy_step& s) noexcept {
    return !s.combines && s.from.place == copy_place::slot && s.from.rank == s.to.rank;
}

/// Queues that a rank has: its own stream and some of the library's on the same GPU.
enum class copy_queue : unsigned char { own, even, odd, to_host, from_host, from_host_in_turn };
inline constexpr int copy_queues = 6;

/// Queue `q` of `rank` has the number `rank * copy_queues + q`.
[[nodiscard]] BLINK_HOST_DEVICE constexpr int queue_of(int rank, copy_queue q) noexcept {
    return rank * copy_queues + static_cast<int>(q);
}
[[nodiscard]] BLINK_HOST_DEVICE constexpr int rank_of_queue(int queue) noexcept { return queue / copy_queues; }
/// Whether it carries what goes over the host; the others what goes over the link.
[[nodiscard]] constexpr bool is_over_host(int queue) noexcept {
    return queue % copy_queues >= static_cast<int>(copy_queue::to_host);
}

/// How a call is cut.
struct copy_shape {
    std::size_t chunk = 1;       ///< elements of a piece that is combined
    std::size_t host_piece = 1;  ///< elements of a piece that goes over the host
    double host_share = 0;       ///< of what crosses between two ranks in a direction; 0: nothing goes over the host
    int slots = 4;               ///< pieces of each peer that a rank has room for, likewise of those over the host
    int host_slots = 4;          ///< pieces that there is room for on the host, in each direction
    std::size_t apart_chunk = 0; ///< in an AllReduce between two ranks, of a piece that waits in the output; 0: `chunk`
    int link_slots = 2;          ///< likewise, pieces over the link that a rank in place has room for
    std::size_t granule = 1;     ///< pieces begin at multiples of so many elements
    bool link_by_kernels = false; ///< of an AllReduce between two ranks: kernels carry all but the host's share
    bool staged = false;    ///< of a reduction: no rank touches buffers of another one, only its slots; an AllReduce
                            ///< so is for two ranks
    bool may_share = false; ///< calls of two ranks like this one may have a share over the host even if this one
                            ///< has none: there is memory for it, and kernels carry a Reduce or ReduceScatter
};

/// The steps of a call, in an order in which they may be enqueued: each only waits for earlier ones.
struct copy_plan {
    int ranks = 0;
    std::vector<copy_step> steps;
    std::vector<std::vector<int>> after; ///< by step: earlier ones that have to be done, beside those of its queue
    std::size_t slot_elements = 0;       ///< of each rank
    std::size_t host_elements = 0;
    std::size_t by_kernels = 0; ///< elements at the beginning of each shard, or of all, that no step carries
    bool staged = false;        ///< see `copy_shape`
};

/// Plans a collective among ranks that all reach each other. Host memory is used between two ranks alone.
/// @param count as of `check_buffers`
/// @param in_place bit r: the data that rank r gives itself lie where it gets them
[[nodiscard]] BLINK_INLINE copy_plan plan_copies(collective kind, int ranks, int root, std::size_t count,
                                                 std::uint64_t in_place, const copy_shape& shape);

/// Plans an exchange likewise.
/// @param in_place by transfer, whether it leads to where the data are
[[nodiscard]] BLINK_INLINE copy_plan plan_copies(const exchange& e, const std::vector<bool>& in_place,
                                                 const copy_shape& shape);

} // namespace cuda

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/copy_plan_impl.hpp>
#endif
