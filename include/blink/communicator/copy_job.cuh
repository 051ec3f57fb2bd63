// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The steps of a call by copy engines on streams: its buffers, who combines, and how a step is enqueued.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/reduction.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/copy_kernel.cuh>
#include <blink/execute/cuda/copy_plan.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace blink::cuda {

/// Operators that a kernel of one rank applies to what others have.
template <class Op, class T>
inline constexpr bool combines_copies = !std::is_same_v<Op, first_of_two> && !preparing_operator<Op, T>;

/// Blocks that combine what came over the host, beside the kernels of the trees: more than PCIe brings, and few enough
/// that they find room at once.
inline constexpr int blocks_beside_kernels = 32;

/// Blocks that combine what came over the link in an AllReduce between two ranks: faster than copies bring it, and so
/// few that these are hardly slower for their memory traffic.
inline constexpr int blocks_beside_copies = 64;

/// The buffers of a call, in bytes, and who combines.
struct copy_job {
    const std::byte* in[max_ranks];
    std::byte* out[max_ranks];
    std::size_t element_bytes;

    /// Puts the kernel of a step on a stream of the current device: `count` elements `from` each rank, combined `to`.
    void (*combine)(const void* with, const void* const* from, void* to, std::size_t count, cudaStream_t stream);
    const void* with; ///< what `combine` needs

    /// Likewise a kernel that moves bytes; null in calls that have no such step, see `moves_by_kernel`.
    void (*move)(const std::byte* from, std::byte* to, std::size_t bytes, cudaStream_t stream);
};

/// `launch(what, n)` enqueues the collective over trees for the first n elements, of each shard where it has some, on
/// the streams of the ranks.
struct kernel_launcher {
    void (*launch)(const void* what, std::size_t elements);
    const void* what;
};

/// The buffers of a call of `T`, of which nothing is combined.
template <class T>
[[nodiscard]] copy_job job_of(std::span<const T* const> in, std::span<T* const> out) {
    copy_job job{};
    for (std::size_t r = 0; r < in.size(); ++r) {
        job.in[r] = reinterpret_cast<const std::byte*>(in[r]);
        job.out[r] = reinterpret_cast<std::byte*>(out[r]);
    }
    job.element_bytes = sizeof(T);
    return job;
}

/// What the kernels of a call by copies are told.
template <class Op>
struct combine_with {
    const Op& op;
    int ranks;
    int most_blocks; ///< see `launch_combine`
};

/// Lets the kernels of `T` and this operator combine, where they can.
/// @param with outlives the job
/// @throw usage_error for an operator that does not fit the ranks
template <class T, class Op>
void let_combine(copy_job& job, const combine_with<Op>& with) {
    if constexpr (combines_copies<Op, T>) {
        check_operator(with.op, with.ranks);
        job.combine = [](const void* given, const void* const* from, void* to, std::size_t n, cudaStream_t stream) {
            const auto& w = *static_cast<const combine_with<Op>*>(given);
            launch_combine(from, w.ranks, static_cast<T*>(to), n, w.op, w.most_blocks, stream);
        };
        job.with = &with;
    }
}

/// Memory of the library that steps pass through.
struct copy_memory {
    const std::vector<std::byte*>& slots; ///< by rank
    std::byte* host;
};

[[nodiscard]] BLINK_SELDOM inline const std::byte* place_of(const copy_end& at, const copy_job& job,
                                                            const copy_memory& memory) {
    const std::byte* const base = at.place == copy_place::in     ? job.in[at.rank]
                                  : at.place == copy_place::out  ? job.out[at.rank]
                                  : at.place == copy_place::host ? memory.host
                                                                 : memory.slots[static_cast<std::size_t>(at.rank)];
    return base + at.offset * job.element_bytes;
}

/// Puts a step on a stream of the current device, that of the rank in whose queue it is. What lies where it is to go
/// stays there.
/// @throw cuda_error where the driver refuses
BLINK_SELDOM inline void enqueue_step(const copy_step& s, int ranks, const copy_job& job, const copy_memory& memory,
                                      cudaStream_t stream) {
    auto* const to = const_cast<std::byte*>(place_of(s.to, job, memory)); // no step goes to an input
    if (!s.combines) {
        const std::byte* const from = place_of(s.from, job, memory);
        if (from == to) { return; }
        if (moves_by_kernel(s)) { return job.move(from, to, s.count * job.element_bytes, stream); }
        check(cudaMemcpyAsync(to, from, s.count * job.element_bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
        return;
    }
    const void* from[max_ranks];
    std::size_t other = s.others;
    for (int r = 0; r < ranks; ++r) {
        const bool own = r == s.to.rank;
        const copy_end theirs = s.in_result ? s.to : copy_end{copy_place::slot, s.to.rank, other};
        from[r] = place_of(own ? s.from : theirs, job, memory);
        if (!own) { other += s.row; }
    }
    job.combine(job.with, from, to, s.count, stream);
}

} // namespace blink::cuda
