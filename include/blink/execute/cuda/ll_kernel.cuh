// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The kernels of short calls, and their launch.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/ll_block.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/start_kernel.cuh>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

namespace blink::cuda {

/// Grid as of `tree_kernel`.
template <class T, class Op, device_schedule Form>
__global__ void __launch_bounds__(block_threads)
    ll_kernel(const __grid_constant__ ll_call<T> call, const __grid_constant__ Form form, const Op op) {
    take_turn();
    ll_block(gpu_machine{}, call, form, op);
}

/// The shape of a short call; none where it does not fit into the lines, or on the GPUs.
/// @param s whose lanes the call has
template <class T, class Op, device_schedule Form>
[[nodiscard]] std::optional<call_shape> ll_shape_on(const schedule& s, std::size_t count,
                                                    std::span<const device_ranks> devices, const group_memory& memory) {
    int blocks = memory.blocks == 0 ? ll_max_blocks : memory.blocks;
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident = resident_blocks(reinterpret_cast<const void*>(ll_kernel<T, Op, Form>));
        blocks = std::min(blocks, resident / static_cast<int>(d.ranks.size()));
    }
    return make_ll_shape(s, count, sizeof(T), blocks);
}

/// Enqueues a short call of this shape on every device.
/// @param straight from each rank to each other; `form` is not looked at then
/// @throw cuda_error where a launch fails
template <class T, class Op, device_schedule Form>
void launch_lines(const schedule& s, const call_shape& shape, const Form& form, bool straight,
                  std::span<const T* const> in, std::span<T* const> out, const Op& op,
                  std::span<const device_ranks> devices, const group_memory& memory) {
    check_operator(op, s.ranks);
    ll_call<T> call{};
    fill_frame<T>(call, s, shape, in, out);
    std::copy(memory.line_flags.begin(), memory.line_flags.end(), call.flags);
    std::copy(memory.lines.begin(), memory.lines.end(), call.lines);
    call.straight = straight;
    set_deadline(call, memory);
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        set_local_ranks(call, d);
        const dim3 grid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(d.ranks.size()));
        start_kernel(ll_kernel<T, Op, Form>, grid, d.device, d.stream, call, form, op);
    }
}

} // namespace blink::cuda
