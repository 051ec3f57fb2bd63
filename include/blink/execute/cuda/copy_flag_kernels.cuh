// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Kernels of one thread that raise the flags of copies and wait for them, on the streams that the copies are on.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/copy_flags.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/rank_program.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>

namespace blink::cuda {

template <class Machine>
__global__ void raise_kernel(const __grid_constant__ copy_flag_table flags, int rank, int queue, std::uint32_t count,
                             std::uint32_t peers, bool enters) {
    if (enters) {
        enter_call(Machine{}, flags, rank, queue, count, peers);
    } else {
        raise_flag(Machine{}, flags, rank, queue, count, peers);
    }
}

template <class Machine>
__global__ void hear_kernel(copy_flags* own, patience limits, int rank, int queue, std::uint32_t count) {
    (void)hear_flag(Machine{}, own, limits, rank, queue, count); // the abort word tells of a failure
}

/// Loads the code of these kernels on the current device, which may have to wait for kernels that run.
inline void load_flag_kernels() {
    cudaFuncAttributes ignored{};
    check(cudaFuncGetAttributes(&ignored, raise_kernel<gpu_machine>), "cudaFuncGetAttributes");
    check(cudaFuncGetAttributes(&ignored, hear_kernel<gpu_machine>), "cudaFuncGetAttributes");
}

/// Puts an action that raises a flag, or hears one, on a stream of the current device.
/// @throw cuda_error where the launch fails
BLINK_SELDOM inline void enqueue_flag(const rank_action& a, int rank, const copy_flag_table& flags,
                                      const patience& limits, cudaStream_t stream) {
    if (a.what == rank_action::kind::hear) {
        hear_kernel<gpu_machine><<<1, 1, 0, stream>>>(flags.of[rank], limits, rank, a.queue, a.count);
    } else {
        raise_kernel<gpu_machine>
            <<<1, 1, 0, stream>>>(flags, rank, a.queue, a.count, a.peers, a.what == rank_action::kind::enter);
    }
    check(cudaGetLastError(), "launch of a flag's kernel");
}

} // namespace blink::cuda
