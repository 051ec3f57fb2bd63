// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Flags between GPUs: loads and stores at system scope, named barriers of thread groups, waits with a deadline.
#pragma once

#include <cstdint>

namespace blink::cuda {

/// Acquire: what the storing side wrote before its release is visible to this thread afterwards.
__device__ inline std::uint64_t load_acquire(const std::uint64_t* flag) {
    std::uint64_t v;
    asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(flag) : "memory");
    return v;
}

/// Relaxed: publishes the flag alone. After `fence_system` it publishes everything that came before the fence.
__device__ inline void store_relaxed(std::uint64_t* flag, std::uint64_t v) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(flag), "l"(v) : "memory");
}

/// Orders this thread's earlier accesses, and those that a barrier ordered before it, ahead of its later stores, for
/// every GPU and the host.
__device__ inline void fence_system() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }

/// Nanoseconds, the same clock on every multiprocessor of a GPU.
__device__ inline std::uint64_t now_ns() {
    std::uint64_t t;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
    return t;
}

/// Some warps of a block that meet at a hardware barrier of their own.
struct thread_group {
    int barrier; ///< 1..15; 0 is __syncthreads
    int thread;  ///< within the group
    int threads; ///< a multiple of 32

    __device__ void sync() const { asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory"); }

    /// Barrier; true on every thread where `ok` was true on all of them.
    [[nodiscard]] __device__ bool all(bool ok) const {
        int result;
        asm volatile("{\n\t.reg .pred p, q;\n\tsetp.ne.s32 p, %1, 0;\n\tbar.red.and.pred q, %2, %3, p;\n\t"
                     "selp.s32 %0, 1, 0, q;\n\t}"
                     : "=r"(result)
                     : "r"(static_cast<int>(ok)), "r"(barrier), "r"(threads)
                     : "memory");
        return result != 0;
    }
};

} // namespace blink::cuda
