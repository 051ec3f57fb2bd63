// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Starts a kernel while the one before it on the stream still runs, where the GPU can (programmatic dependent launch,
/// compute capability 9.0): its blocks are in place and wait when their turn comes, which hides most of the launch.
#pragma once

#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/gpu_machine.cuh>

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cstddef>

namespace blink::cuda {

/// A kernel that does nothing in its turn.
template <class Machine>
__global__ void pass_turn() {
    Machine::take_turn();
}

/// True where `device` starts kernels ahead of their turn, also in graphs, and this program's know that they are early.
[[nodiscard]] inline bool starts_early(int device) {
#if CUDART_VERSION >= 12030
    enum : signed char { unknown, no, yes };
    static std::array<std::atomic<signed char>, 64> known{}; // every launch asks
    std::atomic<signed char> other{unknown};
    const auto at = static_cast<std::size_t>(device);
    std::atomic<signed char>& answer = at < known.size() ? known[at] : other;
    if (answer.load(std::memory_order_relaxed) == unknown) {
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
        cudaFuncAttributes code{};
        check(cudaFuncGetAttributes(&code, pass_turn<gpu_machine>), "cudaFuncGetAttributes");
        const bool early = major >= 9 && code.ptxVersion >= 90; // code for older GPUs does not wait for its turn
        answer.store(early ? yes : no, std::memory_order_relaxed);
    }
    return answer.load(std::memory_order_relaxed) == yes;
#else
    return device < 0;
#endif
}

/// An event that a launch may record at no cost to the launch behind it, which `cudaEventRecord` would hold back.
struct launch_mark {
    cudaEvent_t event = nullptr;
    bool by_launch = false; ///< set by a launch that has recorded it: then `wait_for_mark` waits for it
};

/// Where a kernel is launched.
struct launch_place {
    int device = 0; ///< the current one
    cudaStream_t stream = nullptr;
    launch_mark* mark = nullptr; ///< null: nothing is recorded
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
    cudaLaunchAttribute attributes[2]{};
    config.attrs = attributes;
    if (starts_early(at.device)) {
        cudaLaunchAttribute& early = attributes[config.numAttrs++];
        early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
        early.val.programmaticStreamSerializationAllowed = 1;
        if (at.mark != nullptr) {
            cudaLaunchAttribute& marks = attributes[config.numAttrs++];
            marks.id = cudaLaunchAttributeProgrammaticEvent;
            marks.val.programmaticEvent.event = at.mark->event;
        }
    }
    check(cudaLaunchKernelEx(&config, kernel, arguments...), "launch of a collective's kernel");
    if (at.mark != nullptr) { at.mark->by_launch = config.numAttrs == 2; }
}

/// What is enqueued at `here` from now on follows the call that recorded `mark`. Recorded by a launch, the event by
/// itself says only that the kernel has let the next one start; a kernel that depends on it so and waits for its turn
/// waits for the end.
/// @throw cuda_error where the driver refuses
inline void wait_for_mark(const launch_place& here, const launch_mark& mark) {
    check(cudaStreamWaitEvent(here.stream, mark.event, 0), "cudaStreamWaitEvent");
    if (mark.by_launch) { start_kernel(pass_turn<gpu_machine>, dim3(1), 32, {here.device, here.stream}); }
}

} // namespace blink::cuda
