// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs of this process may use a user's memory, whatever it was made with.
#pragma once

#include <blink/communicator/driver_function.cuh>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>

namespace blink::cuda {

/// The driver's functions that tell who may use memory; null where it has none.
struct access_driver {
    decltype(&::cuPointerGetAttributes) attributes_of =
        driver_function<decltype(::cuPointerGetAttributes)>("cuPointerGetAttributes");
    decltype(&::cuMemGetAddressRange) range_of =
        driver_function<decltype(::cuMemGetAddressRange)>("cuMemGetAddressRange");
    decltype(&::cuMemGetAccess) access_to = driver_function<decltype(::cuMemGetAccess)>("cuMemGetAccess");
    decltype(&::cuMemPoolGetAccess) access_to_pool =
        driver_function<decltype(::cuMemPoolGetAccess)>("cuMemPoolGetAccess");

    [[nodiscard]] bool complete() const noexcept {
        return attributes_of != nullptr && range_of != nullptr && access_to != nullptr && access_to_pool != nullptr;
    }

    [[nodiscard]] static const access_driver& get() {
        static const access_driver functions;
        return functions;
    }
};

/// Where a piece of memory comes from, as far as that decides who may use it.
struct memory_origin {
    int device = -1;
    bool plain = false;   ///< of cudaMalloc: whoever has peer access to the device may use it
    bool managed = false; ///< every device may use it
    CUmemoryPool pool = nullptr;
};

/// One question to the driver.
[[nodiscard]] inline memory_origin origin_of(const void* p) noexcept {
    unsigned plain = 0; // the driver writes one byte of a boolean, or all four
    unsigned managed = 0;
    memory_origin from;
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                                   CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE};
    void* values[] = {&plain, &managed, &from.device, &from.pool};
    if (access_driver::get().attributes_of(static_cast<unsigned>(std::size(names)), names, values,
                                           reinterpret_cast<CUdeviceptr>(p)) != CUDA_SUCCESS) {
        return {};
    }
    from.managed = managed != 0;
    from.plain = plain != 0 && !from.managed;
    return from;
}

/// Whether kernels on every one of `devices` may load and store all `bytes` at `p`; false also where the driver does
/// not say. Rights to memory of pools and to what is mapped by hand are the user's, and change: so nothing is kept. It
/// is one question for memory of cudaMalloc, one more a device for that of a pool, and one a device for each piece of a
/// range that was mapped piece by piece.
/// @param reaches `reaches(from, to)`: kernels on `from` have peer access to `to`
template <class Reaches>
[[nodiscard]] bool all_may_use(const void* p, std::size_t bytes, std::span<const int> devices, const Reaches& reaches) {
    const access_driver& driver = access_driver::get();
    if (!driver.complete()) { return false; }
    const memory_origin from = origin_of(p);
    if (from.managed) { return true; }
    if (from.plain) {
        return std::ranges::all_of(devices, [&](int d) { return d == from.device || reaches(d, from.device); });
    }
    const auto all = [&](const auto& may_use) {
        return std::ranges::all_of(devices, [&](int d) {
            CUmemLocation at{};
            at.type = CU_MEM_LOCATION_TYPE_DEVICE;
            at.id = d;
            return may_use(at);
        });
    };
    if (from.pool != nullptr) {
        return all([&](CUmemLocation& at) {
            CUmemAccess_flags rights = CU_MEM_ACCESS_FLAGS_PROT_NONE;
            return driver.access_to_pool(&rights, from.pool, &at) == CUDA_SUCCESS &&
                   rights == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        });
    }
    const auto begin = reinterpret_cast<CUdeviceptr>(p);
    for (CUdeviceptr at = begin; at < begin + bytes;) {
        CUdeviceptr first = 0;
        std::size_t size = 0;
        if (driver.range_of(&first, &size, at) != CUDA_SUCCESS || first > at || first + size <= at) { return false; }
        if (!all([&](const CUmemLocation& place) {
                unsigned long long rights = 0;
                return driver.access_to(&rights, &place, first) == CUDA_SUCCESS &&
                       rights == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
            })) {
            return false;
        }
        at = first + size;
    }
    return bytes > 0;
}

} // namespace blink::cuda
