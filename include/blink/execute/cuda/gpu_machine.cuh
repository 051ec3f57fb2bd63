// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A block of a kernel as `tree_block` sees it: thread numbers, barriers, and flags at system scope.
#pragma once

#include <blink/execute/cuda/cell.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>

namespace blink::cuda {

/// Some warps of a block that meet at a hardware barrier of their own. The barriers are those that a diverged warp may
/// reach thread by thread: one thread of it may still poll a flag while the others arrive.
struct warp_group {
    int barrier; ///< 1..15; 0 is that of the whole block
    int thread;  ///< within the group
    int threads; ///< a multiple of 32

    __device__ void sync() const { asm volatile("barrier.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory"); }

    /// Barrier; true on every thread where `ok` was true on all of them.
    [[nodiscard]] __device__ bool all(bool ok) const {
        int result;
        asm volatile("{\n\t.reg .pred p, q;\n\tsetp.ne.s32 p, %1, 0;\n\tbarrier.red.and.pred q, %2, %3, p;\n\t"
                     "selp.s32 %0, 1, 0, q;\n\t}"
                     : "=r"(result)
                     : "r"(static_cast<int>(ok)), "r"(barrier), "r"(threads)
                     : "memory");
        return result != 0;
    }
};

/// The running block. Needs compute capability 7.0 for loads and stores with a scope.
struct gpu_machine {
    using group = warp_group;

    [[nodiscard]] static __device__ int block() { return static_cast<int>(blockIdx.x); }
    [[nodiscard]] static __device__ int local_rank() { return static_cast<int>(blockIdx.y); }
    [[nodiscard]] static __device__ int thread() { return static_cast<int>(threadIdx.x); }
    [[nodiscard]] static __device__ int threads() { return static_cast<int>(blockDim.x); }
    static __device__ void sync() { __syncthreads(); }

    /// Threads [first, first + threads) of the block as a group, seen from one of them.
    [[nodiscard]] static __device__ group make_group(int number, int first, int threads) {
        return {number + 1, thread() - first, threads};
    }

    /// Acquire: what the storing side wrote before its `fence` and `store` is visible to this thread afterwards.
    [[nodiscard]] static __device__ std::uint64_t load(const std::uint64_t* flag) {
        std::uint64_t v;
        asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(flag) : "memory");
        return v;
    }

    /// Relaxed: publishes the flag; behind a `fence` also everything before the fence.
    static __device__ void store(std::uint64_t* flag, std::uint64_t v) {
        asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(flag), "l"(v) : "memory");
    }

    /// Relaxed, for what is only compared before stores that depend on it.
    [[nodiscard]] static __device__ std::uint64_t peek(const std::uint64_t* flag) {
        std::uint64_t v;
        asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(flag));
        return v;
    }

    /// Two halves that each arrive whole; see `cell`.
    static __device__ void store_cell(cell* to, const cell& x) {
        asm volatile("st.relaxed.sys.global.v2.u64 [%0], {%1, %2};" ::"l"(to), "l"(x.half[0]), "l"(x.half[1])
                     : "memory");
    }
    [[nodiscard]] static __device__ cell load_cell(const cell* from) {
        cell x;
        asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];"
                     : "=l"(x.half[0]), "=l"(x.half[1])
                     : "l"(from)
                     : "memory");
        return x;
    }

    /// Has these values in registers from here on, and the parameters that they come from in a near cache.
    template <class... Pointers>
    static __device__ void have(const Pointers*... values) {
        (..., [values] { asm volatile("" ::"l"(values)); }());
    }

    /// A team is a warp; all of its threads that have not left the kernel call these together.
    static constexpr int team_threads = 32;
    static __device__ void team_sync() { __syncwarp(); }
    [[nodiscard]] static __device__ bool team_all(bool x) { return __all_sync(0xFFFFFFFFU, x) != 0; }
    [[nodiscard]] static __device__ bool team_any(bool x) { return __any_sync(0xFFFFFFFFU, x) != 0; }

    /// Waits until all that the stream did before is done and visible, then lets the next kernel take its place, of a
    /// kernel that `start_kernel` starts. In this order one kernel at most waits in place.
    static __device__ void take_turn() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        asm volatile("griddepcontrol.wait;" ::: "memory");
        asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
    }

    /// Orders this thread's earlier accesses, and those that a barrier ordered before it, ahead of its later stores,
    /// for every GPU and the host.
    static __device__ void fence() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }

    /// Nanoseconds, the same clock on every multiprocessor of a GPU.
    [[nodiscard]] static __device__ std::uint64_t now_ns() {
        std::uint64_t t;
        asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
        return t;
    }

    /// Between two looks at a flag; on a GPU other warps run meanwhile.
    static __device__ void pause() {}

    /// The wires carry what was stored; machines that emulate wires hold the thread until they would have.
    static __device__ void carry(int /*lane*/, int /*child*/, bool /*up*/, std::uint64_t /*bytes*/) {}
};

} // namespace blink::cuda
