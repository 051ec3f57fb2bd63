// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A block of a kernel as `bulk_block` sees it: copies in bulk between global and shared memory, and barriers that
/// count their bytes. Compute capability 9.0.
#pragma once

#include <blink/execute/cuda/gpu_machine.cuh>

#include <cstdint>

namespace blink::cuda {

struct bulk_machine : gpu_machine {
    using barrier = std::uint64_t; ///< in shared memory

    static __device__ void make_barrier(barrier& b, std::uint32_t arrivals) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared(&b)), "r"(arrivals) : "memory");
    }
    /// Bulk copies may use the barriers that this thread made.
    static __device__ void barriers_made() {
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        proxy_fence();
    }
    /// The phase is not complete before so many more bytes have arrived.
    static __device__ void expect(barrier& b, std::uint32_t bytes) {
        asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared(&b)), "r"(bytes)
                     : "memory");
    }
    static __device__ void arrive(barrier& b) {
        asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared(&b)) : "memory");
    }
    /// Whether the phase of this parity is complete; waits for it a while.
    [[nodiscard]] static __device__ bool passed(barrier& b, std::uint32_t parity) {
        std::uint32_t done;
        asm volatile("{\n\t.reg .pred p;\n\tmbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\n\t"
                     "selp.u32 %0, 1, 0, p;\n\t}"
                     : "=r"(done)
                     : "r"(shared(&b)), "r"(parity)
                     : "memory");
        return done != 0;
    }

    /// A word in shared memory by which threads of a block end each other's waits.
    static __device__ void stop(std::uint32_t* word) { *static_cast<volatile std::uint32_t*>(word) = 1; }
    [[nodiscard]] static __device__ bool stopped(const std::uint32_t* word) {
        return *static_cast<const volatile std::uint32_t*>(word) != 0;
    }

    /// Global into shared memory; `b` hears of the bytes. Addresses and `bytes` are multiples of 16.
    static __device__ void bulk_load(void* to, const void* from, std::uint32_t bytes, barrier& b) {
        asm volatile(
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared(to)),
            "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared(&b))
            : "memory");
    }
    /// Shared into global memory, as a part of this thread's next group.
    static __device__ void bulk_store(void* to, const void* from, std::uint32_t bytes) {
        asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(__cvta_generic_to_global(to)),
                     "r"(shared(from)), "r"(bytes)
                     : "memory");
    }
    /// The stores that this thread has started since are a group.
    static __device__ void commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
    /// Waits until all of this thread's groups but the last `Pending` have read shared memory.
    template <int Pending>
    static __device__ void wait_read() {
        asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
    }
    /// Waits until all of this thread's groups have been stored.
    static __device__ void wait_stored() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

    /// Orders accesses of this thread, and what it knows of others', against those of bulk copies.
    static __device__ void proxy_fence() { asm volatile("fence.proxy.async;" ::: "memory"); }
    /// The same for shared memory alone.
    static __device__ void shared_proxy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

  private:
    [[nodiscard]] static __device__ std::uint32_t shared(const void* p) {
        return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
    }
};

} // namespace blink::cuda
