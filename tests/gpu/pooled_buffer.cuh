// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of a pool.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace gpu_test {

/// Memory of a pool of its own.
class pooled_buffer {
  public:
    /// @param with_file other processes can open the pool
    /// @param users devices whose kernels may use it, beside `device`
    pooled_buffer(int device, std::size_t bytes, bool with_file, const std::vector<int>& users = {}) {
        cudaMemPoolProps made{};
        made.allocType = cudaMemAllocationTypePinned;
        made.handleTypes = with_file ? cudaMemHandleTypePosixFileDescriptor : cudaMemHandleTypeNone;
        made.location.type = cudaMemLocationTypeDevice;
        made.location.id = device;
        blink::cuda::check(cudaMemPoolCreate(&pool_, &made), "cudaMemPoolCreate");
        open_to(users);
        const blink::cuda::device_scope current(device);
        blink::cuda::check(cudaMallocFromPoolAsync(&data_, bytes, pool_, nullptr), "cudaMallocFromPoolAsync");
        blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }
    pooled_buffer(const pooled_buffer&) = delete;
    pooled_buffer& operator=(const pooled_buffer&) = delete;
    ~pooled_buffer() {
        (void)cudaFree(data_);
        (void)cudaMemPoolDestroy(pool_);
    }

    void open_to(const std::vector<int>& users) const {
        for (const int user : users) {
            cudaMemAccessDesc access{};
            access.location.type = cudaMemLocationTypeDevice;
            access.location.id = user;
            access.flags = cudaMemAccessFlagsProtReadWrite;
            blink::cuda::check(cudaMemPoolSetAccess(pool_, &access, 1), "cudaMemPoolSetAccess");
        }
    }
    template <class T>
    [[nodiscard]] T* data() const {
        return static_cast<T*>(data_);
    }

  private:
    cudaMemPool_t pool_ = nullptr;
    void* data_ = nullptr;
};

} // namespace gpu_test
