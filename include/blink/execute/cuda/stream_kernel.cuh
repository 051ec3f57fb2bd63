// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The kernel of calls that travel in cells, and its launch.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/start_kernel.cuh>
#include <blink/execute/cuda/stream_block.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

namespace blink::cuda {

/// Grid as of `tree_kernel`.
/// @tparam Straight see `stream_block`
template <bool Straight, class T, class Op, device_schedule Form>
__global__ void __launch_bounds__(block_threads, 1)
    stream_kernel(const __grid_constant__ stream_call<T> call, const __grid_constant__ Form form, const Op op) {
    stream_block<Straight>(gpu_machine{}, call, form, op);
}

/// The shape of such a call; none where it has more lanes than blocks.
/// @param s whose lanes the call has
template <bool Straight, class T, class Op, device_schedule Form>
[[nodiscard]] std::optional<call_shape> stream_shape_on(const schedule& s, std::size_t count,
                                                        std::span<const device_ranks> devices,
                                                        const group_memory& memory) {
    int blocks = stream_blocks(s.ranks);
    if (memory.blocks != 0) { blocks = std::min(blocks, memory.blocks); }
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident =
            resident_blocks(reinterpret_cast<const void*>(stream_kernel<Straight, T, Op, Form>), d.device);
        blocks = std::min(blocks, resident / static_cast<int>(d.ranks.size()));
    }
    return make_stream_shape(s, count, sizeof(T), unit_elements<T>, blocks);
}

/// Enqueues a call of this shape on every device.
/// @throw cuda_error where a launch fails
template <bool Straight, class T, class Op, device_schedule Form>
void launch_streams(const schedule& s, const call_shape& shape, const Form& form, std::span<const T* const> in,
                    std::span<T* const> out, const Op& op, std::span<const device_ranks> devices,
                    const group_memory& memory) {
    check_operator(op, s.ranks);
    stream_call<T> call{};
    fill_frame<T>(call, s, shape, in, out);
    std::copy(memory.streams.begin(), memory.streams.end(), call.flags);
    std::copy(memory.rings.begin(), memory.rings.end(), call.rings);
    lay_streams(call, shape);
    set_deadline(call, memory);
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        set_local_ranks(call, d);
        const dim3 grid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(d.ranks.size()));
        start_kernel(stream_kernel<Straight, T, Op, Form>, grid, shape.threads, d.place(), call, form, op);
    }
}

} // namespace blink::cuda
