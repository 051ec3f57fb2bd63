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

/// The shape of the last call over some trees: programs repeat what they do, and laying a short call out took 6 % of
/// its time on the host.
struct known_shape {
    const void* kernel = nullptr;
    std::size_t count = 0;
    std::optional<call_shape> shape{};
};

/// The shape of such a call; null where it has more lanes than blocks.
/// @param s whose lanes the call has; as `devices` and `memory.blocks` the same for all that share `known`
template <bool Straight, class T, class Op, device_schedule Form>
[[nodiscard]] const call_shape* stream_shape_on(const schedule& s, std::size_t count,
                                                std::span<const device_ranks> devices, const group_memory& memory,
                                                known_shape& known) {
    const auto* const kernel = reinterpret_cast<const void*>(stream_kernel<Straight, T, Op, Form>);
    if (known.kernel != kernel || known.count != count) {
        int blocks = stream_blocks(s.ranks);
        if (memory.blocks != 0) { blocks = std::min(blocks, memory.blocks); }
        for (const device_ranks& d : devices) {
            const device_scope current(d.device);
            blocks = std::min(blocks, resident_blocks(kernel, d.device) / static_cast<int>(d.ranks.size()));
        }
        known = {kernel, count, make_stream_shape(s, count, sizeof(T), unit_elements<T>, blocks)};
    }
    return known.shape ? &*known.shape : nullptr;
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
