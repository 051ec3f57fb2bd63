// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Moves bytes within the memory of one GPU by a kernel, for calls whose copy engines have others to do.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/vector.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// A template, so that every file that launches it may have it.
template <class Unit>
__global__ void __launch_bounds__(block_threads, 2) move_kernel(const Unit* from, Unit* to, std::size_t count) {
    constexpr int together = 4;
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    for (; i + (together - 1) * stride < count; i += together * stride) {
        Unit units[together];
        BLINK_UNROLL
        for (int u = 0; u < together; ++u) { units[u] = from[i + u * stride]; }
        BLINK_UNROLL
        for (int u = 0; u < together; ++u) { to[i + u * stride] = units[u]; }
    }
    for (; i < count; i += stride) { to[i] = from[i]; }
}

/// Enqueues it on the current device.
/// @throw cuda_error where the launch fails
BLINK_SELDOM inline void launch_move(const std::byte* from, std::byte* to, std::size_t bytes, cudaStream_t stream) {
    constexpr std::size_t most_blocks = 64; // enough for what a link brings
    const auto launch = [&]<class Unit>(Unit /*of*/, std::size_t first, std::size_t count) {
        if (count == 0) { return; }
        const auto blocks = std::min(most_blocks, (count + block_threads - 1) / block_threads);
        move_kernel<<<static_cast<unsigned>(blocks), block_threads, 0, stream>>>(
            reinterpret_cast<const Unit*>(from + first), reinterpret_cast<Unit*>(to + first), count);
        check(cudaGetLastError(), "launch of a kernel that moves results");
    };
    const std::size_t wide = aligned(from) && aligned(to) ? bytes / sizeof(uint4) * sizeof(uint4) : 0;
    launch(uint4{}, 0, wide / sizeof(uint4));
    launch(std::uint8_t{}, wide, bytes - wide);
}

/// Loads its code on the current device, which may have to wait for kernels that run.
inline void load_move() {
    cudaFuncAttributes ignored{};
    check(cudaFuncGetAttributes(&ignored, move_kernel<uint4>), "cudaFuncGetAttributes");
    check(cudaFuncGetAttributes(&ignored, move_kernel<std::uint8_t>), "cudaFuncGetAttributes");
}

} // namespace blink::cuda
