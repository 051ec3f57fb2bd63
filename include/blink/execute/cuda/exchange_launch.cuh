// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Puts the kernels of one exchange on the streams of its devices.
#pragma once

#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/exchange_block.hpp>
#include <blink/execute/cuda/exchange_call.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/launch.cuh>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace blink::cuda {

/// The largest unsigned integer that tiles elements of `T` and is aligned where they are: types of one alignment share
/// a kernel.
template <class T>
using exchange_unit =
    std::conditional_t<alignof(T) % 8 == 0, std::uint64_t,
                       std::conditional_t<alignof(T) == 4, std::uint32_t,
                                          std::conditional_t<alignof(T) == 2, std::uint16_t, std::uint8_t>>>;

/// Grid: (blocks of a rank, ranks on this device), all of it resident at once; see `tree_kernel`.
template <class Unit>
__global__ void __launch_bounds__(block_threads, 2) exchange_kernel(const __grid_constant__ exchange_call<Unit> call) {
    exchange_block(gpu_machine{}, call);
}

/// Enqueues an exchange on every device, as one kernel or several. Returns when all are enqueued.
/// @param in, out of whole units, by rank
/// @param routes by transfer, over ranks that store into each other's memory; `staged_routes` in a staged group
/// @param factor units of an element
/// @param chunk_bytes 0: by the size of the call
/// @param all_known false: `in` and `out` hold the buffers of this process alone, and those it may store to
/// @throw usage_error where the GPU has no room for a block of every rank, cuda_error where a launch fails
template <class Unit>
void launch_exchange(const exchange& e, const std::vector<std::vector<int>>& routes, std::span<const Unit* const> in,
                     std::span<Unit* const> out, std::size_t factor, std::span<const device_ranks> devices,
                     const group_memory& memory, std::size_t chunk_bytes, bool all_known = true) {
    const auto kernel = exchange_kernel<Unit>;
    int blocks = std::min(memory.blocks == 0 ? 128 : memory.blocks, max_blocks);
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident = resident_blocks(reinterpret_cast<const void*>(kernel), d.device);
        blocks = std::min(blocks, resident / static_cast<int>(d.ranks.size()));
    }
    if (blocks < 1) {
        throw usage_error(e.name + ": a GPU has no room for a block of each of its ranks: put fewer ranks on it");
    }
    // All processes have to deal the same transfers, and do not know what is in place in others.
    const auto moves = [&](const transfer& t) {
        return !all_known || in[static_cast<std::size_t>(t.from)] + t.in_offset * factor !=
                                 out[static_cast<std::size_t>(t.to)] + t.out_offset * factor;
    };
    for (const exchange_round& round : make_rounds(e, routes, factor, moves, blocks)) {
        exchange_call<Unit> call = lay_round<Unit>(round, blocks, memory.slot_memory, chunk_bytes);
        std::copy(in.begin(), in.end(), call.in);
        std::copy(out.begin(), out.end(), call.out);
        std::copy(memory.flags.begin(), memory.flags.end(), call.flags);
        std::copy(memory.slots.begin(), memory.slots.end(), call.slots);
        call.faults = memory.faults;
        call.abort = memory.abort;
        call.timeout_ns = memory.timeout_ns;
        for (const device_ranks& d : devices) {
            const device_scope current(d.device);
            std::uint8_t* next = call.local_ranks;
            for (const int r : d.ranks) { *next++ = static_cast<std::uint8_t>(r); }
            const dim3 grid(call.first_block[call.lane_count], static_cast<unsigned>(d.ranks.size()));
            kernel<<<grid, block_threads, 0, d.stream>>>(call);
            check(cudaGetLastError(), "launch of the exchange kernel");
        }
    }
}

} // namespace blink::cuda
