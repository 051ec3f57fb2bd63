// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The kernel that moves a call's chunks by bulk copies, and whether a GPU and a call take it.
#pragma once

#include <blink/execute/cuda/bulk_block.hpp>
#include <blink/execute/cuda/bulk_machine.cuh>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/device_schedule.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

namespace blink::cuda {

inline constexpr int bulk_threads = 32 * (bulk_other_teams + bulk_combining_teams); ///< of a block

/// Grid as that of `tree_kernel`, `bulk_threads` threads and `sizes.memory` bytes of shared memory each. Empty where it
/// is compiled for GPUs without bulk copies.
template <class T, class Op>
__global__ void __launch_bounds__(bulk_threads, 1)
    bulk_kernel(const __grid_constant__ tree_call<T> call, const __grid_constant__ runtime_schedule schedule,
                const Op op, const bulk_sizes sizes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) std::byte bulk_memory[];
    __shared__ bulk_shared<T, bulk_machine::barrier> shared;
    bulk_machine::take_turn();
    bulk_block(bulk_machine{}, call, schedule, op, sizes, shared, bulk_memory);
#endif
}

/// Blocks of `kernel`, a `bulk_kernel`, that one GPU holds at once; 0 where it does not run there. Asked of the driver
/// once.
/// @param device the current one
[[nodiscard]] inline int resident_bulk_blocks(const void* kernel, int device) {
    static std::mutex guard;
    static std::map<std::pair<const void*, int>, int> known;
    const std::scoped_lock lock(guard);
    auto [entry, missing] = known.try_emplace({kernel, device}, 0);
    constexpr bulk_sizes sizes{};
    if (!missing) { return entry->second; }
    int major = 0;
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
    cudaFuncAttributes code{};
    check(cudaFuncGetAttributes(&code, kernel), "cudaFuncGetAttributes");
    int room = 0;
    check(cudaDeviceGetAttribute(&room, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
    const bool has_code = major >= 9 && code.ptxVersion >= 90; // that for older GPUs is an empty kernel
    if (!has_code || code.sharedSizeBytes + sizes.memory > static_cast<std::size_t>(room)) { return 0; }
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sizes.memory)),
          "cudaFuncSetAttribute");
    int per_multiprocessor = 0;
    int multiprocessors = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_multiprocessor, kernel, bulk_threads, sizes.memory),
          "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
    entry->second = per_multiprocessor * multiprocessors;
    return entry->second;
}

} // namespace blink::cuda
