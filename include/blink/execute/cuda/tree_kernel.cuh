// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The one kernel of the CUDA executor.
#pragma once

#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/tree_block.hpp>

namespace blink::cuda {

/// Grid: (blocks of a rank, ranks on this device), `block_threads` threads each. All of it must be resident at once:
/// a block that waits for one that cannot start ends at the deadline.
/// @tparam Pulled see `tree_block`
/// @param machine what the blocks run on; see `tree_block`
template <class T, class Op, device_schedule Schedule, class Machine, bool Pulled = false>
__global__ void __launch_bounds__(block_threads, 2)
    tree_kernel(const __grid_constant__ tree_call<T> call, const __grid_constant__ Schedule schedule, const Op op,
                const Machine machine) {
    __shared__ T* outputs[max_ranks + 1];
    __shared__ const T* sources[max_ranks];
    machine.take_turn();
    tree_block<Pulled>(machine, call, schedule, op, outputs, sources);
}

} // namespace blink::cuda
