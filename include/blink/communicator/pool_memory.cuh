// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of pools (cudaMallocFromPoolAsync) whose owner lets other processes open them.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/mapped_memory.cuh>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace blink::cuda {

/// An open file that stands for the pool; not open where it was made without that handle type.
[[nodiscard]] inline net::descriptor file_of(cudaMemPool_t pool) noexcept {
    int file = -1;
    if (cudaMemPoolExportToShareableHandle(&file, pool, cudaMemHandleTypePosixFileDescriptor, 0) != cudaSuccess) {
        (void)cudaGetLastError();
        return {};
    }
    return net::descriptor(file);
}

/// What another process needs beside the pool's file.
struct exported_pool_memory {
    cudaMemPool_t pool = nullptr;
    std::string pointer;    ///< the bytes of a cudaMemPoolPtrExportData, for the whole allocation
    std::size_t offset = 0; ///< of the address in the allocation
};

/// None where the memory is of no pool, or of one that cannot be opened. Waits until the current device has allocated
/// the memory: nobody else may touch it before.
[[nodiscard]] inline std::optional<exported_pool_memory> export_pool_memory(const void* p, std::size_t bytes) {
    const auto pool = detail::pointer_attribute<CUmemoryPool>(p, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE);
    const mapping_driver& driver = mapping_driver::get();
    const auto at = reinterpret_cast<CUdeviceptr>(p);
    CUdeviceptr begin = 0;
    std::size_t size = 0;
    if (pool.value_or(nullptr) == nullptr || driver.range_of == nullptr ||
        driver.range_of(&begin, &size, at) != CUDA_SUCCESS || begin > at || at - begin > size ||
        bytes > size - (at - begin) || !file_of(*pool).is_open()) {
        return std::nullopt;
    }
    cudaMemPoolPtrExportData data{};
    if (cudaDeviceSynchronize() != cudaSuccess ||
        cudaMemPoolExportPointer(&data, reinterpret_cast<void*>(begin)) != cudaSuccess) {
        (void)cudaGetLastError();
        return std::nullopt;
    }
    return exported_pool_memory{*pool, std::string(reinterpret_cast<const char*>(&data), sizeof data), at - begin};
}

/// An allocation from a pool of another process, until it goes.
class imported_pool_memory {
  public:
    imported_pool_memory() = default;
    imported_pool_memory(const imported_pool_memory&) = delete;
    imported_pool_memory& operator=(const imported_pool_memory&) = delete;
    ~imported_pool_memory() {
        if (begin_ != nullptr) { (void)cudaFree(begin_); }
        if (pool_ != nullptr) { (void)cudaMemPoolDestroy(pool_); }
        (void)cudaGetLastError();
    }

    /// False where the driver refuses.
    /// @param pointer see `exported_pool_memory`
    /// @param device whose kernels will use it
    [[nodiscard]] bool open(const net::descriptor& file, const std::string& pointer, int device) noexcept {
        cudaMemPoolPtrExportData data{};
        if (pointer.size() != sizeof data) { return false; }
        std::memcpy(&data, pointer.data(), sizeof data);
        cudaMemAccessDesc access{};
        access.location.type = cudaMemLocationTypeDevice;
        access.location.id = device;
        access.flags = cudaMemAccessFlagsProtReadWrite;
        cudaMemAccessFlags rights = cudaMemAccessFlagsProtNone;
        void* const given = reinterpret_cast<void*>(static_cast<std::intptr_t>(file.get()));
        const bool opened =
            cudaMemPoolImportFromShareableHandle(&pool_, given, cudaMemHandleTypePosixFileDescriptor, 0) ==
                cudaSuccess &&
            cudaMemPoolGetAccess(&rights, pool_, &access.location) == cudaSuccess &&
            (rights == cudaMemAccessFlagsProtReadWrite || cudaMemPoolSetAccess(pool_, &access, 1) == cudaSuccess) &&
            cudaMemPoolImportPointer(&begin_, pool_, &data) == cudaSuccess;
        (void)cudaGetLastError();
        return opened;
    }

    [[nodiscard]] std::byte* begin() const noexcept { return static_cast<std::byte*>(begin_); }

  private:
    cudaMemPool_t pool_ = nullptr;
    void* begin_ = nullptr;
};

} // namespace blink::cuda
