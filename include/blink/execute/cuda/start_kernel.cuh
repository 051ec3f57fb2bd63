// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Starts a kernel while the one before it on the stream still runs, where the GPU can (programmatic dependent launch,
/// compute capability 9.0): its blocks are in place and wait when their turn comes, which hides most of the launch.
#pragma once

#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>

namespace blink::cuda {

/// The first thing in a kernel that `start_kernel` starts: waits until all that the stream did before is done and
/// visible, then lets the next kernel take its place. In this order one kernel at most waits in place.
__device__ inline void take_turn() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// True where `device` starts kernels ahead of their turn, also in graphs.
[[nodiscard]] inline bool starts_early(int device) {
#if CUDART_VERSION >= 12030
    static std::mutex guard;
    static std::map<int, bool> known;
    const std::scoped_lock lock(guard);
    auto [entry, missing] = known.try_emplace(device, false);
    if (missing) {
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
        entry->second = major >= 9;
    }
    return entry->second;
#else
    return device < 0;
#endif
}

/// Enqueues `kernel`, which begins with `take_turn`, in blocks of `block_threads` on the current device.
/// @param device the current one
/// @throw cuda_error where the launch fails
template <class... Parameters, class... Arguments>
void start_kernel(void (*kernel)(Parameters...), dim3 grid, int device, cudaStream_t stream,
                  const Arguments&... arguments) {
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(block_threads);
    config.stream = stream;
    config.attrs = &early;
    config.numAttrs = starts_early(device) ? 1 : 0;
    check(cudaLaunchKernelEx(&config, kernel, arguments...), "launch of a collective's kernel");
}

} // namespace blink::cuda
