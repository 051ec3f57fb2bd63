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
#include <blink/execute/cuda/packet.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/start_kernel.cuh>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

namespace blink::cuda {

/// Grid as of `tree_kernel`.
/// @tparam Wire see `ll_block`
template <class Wire, class T, class Op, device_schedule Form>
__global__ void __launch_bounds__(block_threads)
    ll_kernel(const __grid_constant__ ll_call<T> call, const __grid_constant__ Form form, const Op op) {
    take_turn();
    ll_block<Wire>(gpu_machine{}, call, form, op);
}

/// What calls among `ranks` can carry over a wire of this form.
template <class Wire>
[[nodiscard]] constexpr ll_capacity capacity_of(int ranks) {
    return Wire::threads == 1 ? ll_capacity{} : packet_capacity(ranks, block_threads);
}

/// The shape of a short call; none where it does not fit into the rows, or on the GPUs.
/// @param s whose lanes the call has
template <class Wire, class T, class Op, device_schedule Form>
[[nodiscard]] std::optional<call_shape> ll_shape_on(const schedule& s, std::size_t count,
                                                    std::span<const device_ranks> devices, const group_memory& memory) {
    const ll_capacity capacity = capacity_of<Wire>(s.ranks);
    int blocks = memory.blocks == 0 ? capacity.blocks : memory.blocks;
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        const int resident = resident_blocks(reinterpret_cast<const void*>(ll_kernel<Wire, T, Op, Form>));
        blocks = std::min(blocks, resident / static_cast<int>(d.ranks.size()));
    }
    return make_ll_shape(s, count, sizeof(T), blocks, capacity);
}

/// Enqueues a short call of this shape on every device.
/// @param straight from each rank to each other; `form` is not looked at then
/// @throw cuda_error where a launch fails
template <class Wire, class T, class Op, device_schedule Form>
void launch_rows(const schedule& s, const call_shape& shape, const Form& form, bool straight,
                 std::span<const T* const> in, std::span<T* const> out, const Op& op,
                 std::span<const device_ranks> devices, const group_memory& memory) {
    check_operator(op, s.ranks);
    ll_call<T> call{};
    fill_frame<T>(call, s, shape, in, out);
    std::copy(memory.line_flags.begin(), memory.line_flags.end(), call.flags);
    if constexpr (Wire::threads == 1) {
        for (std::size_t r = 0; r < memory.lines.size(); ++r) {
            call.rows[r] = reinterpret_cast<std::byte*>(memory.lines[r]);
        }
        call.row_bytes = ll_row_lines * sizeof(ll_line);
    } else {
        std::copy(memory.packets.begin(), memory.packets.end(), call.rows);
        call.row_bytes = static_cast<std::uint32_t>(packet_row_bytes(s.ranks));
    }
    call.straight = straight;
    set_deadline(call, memory);
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        set_local_ranks(call, d);
        const dim3 grid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(d.ranks.size()));
        start_kernel(ll_kernel<Wire, T, Op, Form>, grid, d.device, d.stream, call, form, op);
    }
}

} // namespace blink::cuda
