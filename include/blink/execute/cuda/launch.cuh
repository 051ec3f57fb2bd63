// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Puts the kernel of one call on the streams of its devices.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/bulk_choice.hpp>
#include <blink/execute/cuda/bulk_kernel.cuh>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/execute/cuda/chunk_search_kernels.cuh>
#include <blink/execute/cuda/chunk_wish.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/start_kernel.cuh>
#include <blink/execute/cuda/stream.hpp>
#include <blink/execute/cuda/tree_kernel.cuh>

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace blink::cuda {

/// Blocks of `kernel` that one GPU holds at once; asked of the driver once.
/// @param device the current one
[[nodiscard]] inline int resident_blocks(const void* kernel, int device) {
    static std::mutex guard;
    static std::map<std::pair<const void*, int>, int> known;
    const std::scoped_lock lock(guard);
    auto [entry, missing] = known.try_emplace({kernel, device}, 0);
    if (missing) {
        int per_multiprocessor = 0;
        int multiprocessors = 0;
        check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_multiprocessor, kernel, block_threads, 0),
              "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
        check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
              "cudaDeviceGetAttribute");
        entry->second = per_multiprocessor * multiprocessors;
    }
    return entry->second;
}

/// The ranks of one device and the stream on which they work.
struct device_ranks {
    int device = 0;
    cudaStream_t stream = nullptr;
    std::vector<int> ranks;
    launch_mark* mark = nullptr; ///< to be recorded behind the call, see `launch_place`

    [[nodiscard]] launch_place place() const { return {device, stream, mark}; }
    /// The call goes on behind the last kernel that was launched here.
    void goes_on() const {
        if (mark != nullptr) { mark->by_launch = false; }
    }
};

/// What a group keeps for its ranks, and a plan's relays for theirs; one entry a participant where a vector stands.
struct group_memory {
    std::vector<block_flags*> flags;
    std::vector<std::byte*> slots;
    std::vector<stream_flags*> streams;  ///< of ranks alone, as `rings`
    std::vector<std::byte*> rings;       ///< full of `filler_byte`
    std::vector<chunk_search*> searches; ///< `max_searches` of each rank's GPU
    std::size_t slot_memory = 0;         ///< bytes a participant
    std::uint64_t* faults = nullptr;     ///< one word a participant, host memory that all devices see
    std::uint64_t* abort = nullptr;      ///< likewise, one word
    std::uint64_t timeout_ns = 0;
    tuning tuned;        ///< the same for all ranks
    int blocks = 0;      ///< most blocks a rank may use; 0: as tuned
    bool staged = false; ///< ranks do not see each other's buffers

    [[nodiscard]] patience limits() const { return {faults, abort, timeout_ns}; }
};

/// How long the call may wait, and where it says that it waited too long.
template <class T>
void set_deadline(call_frame<T>& call, const group_memory& memory) {
    call.faults = memory.faults;
    call.abort = memory.abort;
    call.timeout_ns = memory.timeout_ns;
}

template <class T>
void set_local_ranks(call_frame<T>& call, const device_ranks& here) {
    std::uint8_t* next = call.local_ranks;
    for (const int r : here.ranks) { *next++ = static_cast<std::uint8_t>(r); }
}

/// Enqueues the ranks of a device as a bulk kernel.
template <class T, class Op>
void start_in_bulk(const tree_call<T>& call, const schedule& s, dim3 grid, const Op& op, const launch_place& at) {
    start_kernel(bulk_kernel<T, Op>, grid, {bulk_threads, bulk_sizes{}.memory}, at, call, to_runtime_schedule(s), op,
                 bulk_sizes{});
}

/// For each device whether it runs so many blocks of a bulk kernel for each of its ranks at once. The shape is not
/// asked, so that ranks need not agree on this; and all devices are asked before any kernel starts, since code may be
/// loaded.
template <class T, class Op>
[[nodiscard]] BLINK_SELDOM std::vector<bool> hold_in_bulk(std::span<const device_ranks> devices, int blocks) {
    std::vector<bool> hold;
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident = resident_bulk_blocks(reinterpret_cast<const void*>(bulk_kernel<T, Op>), d.device);
        hold.push_back(blocks * static_cast<int>(d.ranks.size()) <= resident);
    }
    return hold;
}

/// Enqueues one collective on every device, by bulk copies where they serve. Returns when all kernels are enqueued.
/// @param form the schedule as the kernel takes it; `s` is the same as a value, or that of the ranks alone where `form`
///        and `memory` have relay stops too
/// @param machine what the blocks run on; see `tree_block`, as for `pulled`
/// @param chunk of whose search relay stops take no part: with them chunks have the size from which it begins
/// @param shard_stride see `shape_limits`
/// @throw usage_error where the call does not fit the GPU, cuda_error where a launch fails
template <element T, reduction_operator<T> Op, device_schedule Form, class Machine = gpu_machine, bool Pulled = false>
BLINK_SELDOM void launch(const schedule& s, const Form& form, std::span<const T* const> in, std::span<T* const> out,
                         std::size_t count, const Op& op, std::span<const device_ranks> devices,
                         const group_memory& memory, const chunk_wish& chunk, const Machine& machine = {},
                         std::bool_constant<Pulled> /*pulled*/ = {}, std::size_t shard_stride = 0) {
    check_operator(op, s.ranks);
    const auto kernel = tree_kernel<T, Op, Form, Machine, Pulled>;
    const auto participants = static_cast<int>(memory.flags.size());
    shape_limits limits{memory.blocks == 0 ? memory.tuned.most_blocks : memory.blocks,
                        memory.slot_memory,
                        participants > s.ranks ? chunk.bytes : chunk.most_bytes(),
                        memory.staged || participants > s.ranks,
                        memory.tuned.most_chunk_bytes,
                        shard_stride};
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident = resident_blocks(reinterpret_cast<const void*>(kernel), d.device);
        if (chunk.search) { load_search_kernels(); }
        limits.blocks = std::min({limits.blocks, max_blocks, resident / static_cast<int>(d.ranks.size())});
    }
    // Not for relay stops, nor beside a part that goes over the host (with a `shard_stride`), whose kernels need room.
    constexpr bool can_bulk = travels_in_bulk<T> && std::is_same_v<Machine, gpu_machine> && !Pulled;
    const bool in_bulk = can_bulk && shard_stride == 0 && !memory.staged && participants == s.ranks &&
                         is_for_bulk(s, count, sizeof(T), limits.blocks, memory.tuned);
    if (in_bulk) { limits.most_chunk_bytes = std::max(limits.most_chunk_bytes, memory.tuned.most_bulk_chunk_bytes); }
    const call_shape shape = make_shape(s, count, sizeof(T), limits);

    tree_call<T> call = prepare_call(s, shape, in, out);
    call.participants = static_cast<std::uint8_t>(participants);
    call.staged = memory.staged;
    std::copy(memory.flags.begin(), memory.flags.end(), call.flags);
    std::copy(memory.slots.begin(), memory.slots.end(), call.slots);
    set_deadline(call, memory);
    std::vector<bool> by_bulk(devices.size(), false);
    if constexpr (can_bulk) {
        if (in_bulk && lies_in_bulk(call)) { by_bulk = hold_in_bulk<T, Op>(devices, shape.blocks); }
    }
    std::optional<search_launch> search;
    if (chunk.search && participants == s.ranks) {
        search.emplace(chunk, memory.searches, shape, sizeof(T), count * sizeof(T), memory.limits());
    }
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const device_ranks& d = devices[i];
        const device_scope current(d.device);
        set_local_ranks(call, d);
        launch_place at = d.place();
        if (search) {
            search->before(d.ranks.front(), at);
            call.chunk_now = search->chunk_of(d.ranks.front());
            if (search->follows(d.ranks.front())) { at.mark = nullptr; }
        }
        const dim3 grid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(d.ranks.size()));
        bool started = false;
        if constexpr (can_bulk) {
            started = by_bulk[i];
            if (started) { start_in_bulk(call, s, grid, op, at); }
        }
        if (!started) { start_kernel(kernel, grid, block_threads, at, call, form, op, machine); }
        if (search) { search->behind(d.ranks.front(), d.place()); }
    }
}

} // namespace blink::cuda
