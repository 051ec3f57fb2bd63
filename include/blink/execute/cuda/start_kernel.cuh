// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Starts a kernel while the one before it on the stream still runs, where the GPU can (programmatic dependent launch,
/// compute capability 9.0): its blocks are in place and wait when their turn comes, which hides most of the launch.
#pragma once

#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/gpu_machine.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <mutex>

namespace blink::cuda {

/// A kernel that does nothing in its turn, to ask how this program's kernels are compiled.
template <class Machine>
__global__ void pass_turn() {
    Machine::take_turn();
}

/// True where `device` starts kernels ahead of their turn, also in graphs, and this program's know that they are early.
[[nodiscard]] inline bool starts_early(int device) {
#if CUDART_VERSION >= 12030
    static std::mutex guard;
    static std::map<int, bool> known;
    const std::scoped_lock lock(guard);
    auto [entry, missing] = known.try_emplace(device, false);
    if (missing) {
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
        cudaFuncAttributes code{};
        check(cudaFuncGetAttributes(&code, pass_turn<gpu_machine>), "cudaFuncGetAttributes");
        entry->second = major >= 9 && code.ptxVersion >= 90; // code for older GPUs does not wait for its turn
    }
    return entry->second;
#else
    return device < 0;
#endif
}

/// Where a kernel is launched.
struct launch_place {
    int device = 0; ///< the current one
    cudaStream_t stream = nullptr;
};

/// What a kernel's block has.
struct block_size {
    int threads;
    std::size_t memory; ///< bytes of shared memory, beside what the kernel declares

    block_size(int of_threads, std::size_t of_memory = 0) : threads(of_threads), memory(of_memory) {}
};

/// Enqueues `kernel`, which begins with `gpu_machine::take_turn`.
/// @throw cuda_error where the launch fails
template <class... Parameters, class... Arguments>
void start_kernel(void (*kernel)(Parameters...), dim3 grid, const block_size& block, const launch_place& at,
                  const Arguments&... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(static_cast<unsigned>(block.threads));
    config.dynamicSmemBytes = block.memory;
    config.stream = at.stream;
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &early;
    config.numAttrs = starts_early(at.device) ? 1 : 0;
    check(cudaLaunchKernelEx(&config, kernel, arguments...), "launch of a collective's kernel");
}

} // namespace blink::cuda
