// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs of this process may use a user's memory, whatever it was made with.
#pragma once

#include <blink/communicator/driver_function.cuh>
#include <blink/core/config.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <iterator>
#include <span>

namespace blink::cuda {

/// Numbers of cuda.h, which is too long for every file of a user's to read; a test compares them.
struct driver_numbers {
    static constexpr int is_managed = 8;                ///< CU_POINTER_ATTRIBUTE_IS_MANAGED
    static constexpr int device_ordinal = 9;            ///< CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    static constexpr int is_legacy_ipc = 10;            ///< CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE
    static constexpr int pool_handle = 17;              ///< CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE
    static constexpr unsigned long long read_write = 3; ///< CU_MEM_ACCESS_FLAGS_PROT_READWRITE
};

/// The driver's functions that tell who may use memory; null where it has none. They take addresses as numbers and
/// answer 0 where all is well.
struct access_driver {
    using address = unsigned long long;
    using attributes_function = int(unsigned, const int*, void**, address);
    using range_function = int(address*, std::size_t*, address);
    using access_function = int(unsigned long long*, const cudaMemLocation*, address);

    attributes_function* attributes_of = driver_function<attributes_function>("cuPointerGetAttributes");
    range_function* range_of = driver_function<range_function>("cuMemGetAddressRange");
    access_function* access_to = driver_function<access_function>("cuMemGetAccess");

    [[nodiscard]] bool complete() const noexcept {
        return attributes_of != nullptr && range_of != nullptr && access_to != nullptr;
    }

    [[nodiscard]] BLINK_SELDOM static const access_driver& get() {
        static const access_driver functions;
        return functions;
    }
};

/// Where a piece of memory comes from, as far as that decides who may use it.
struct memory_origin {
    int device = -1;
    bool plain = false;   ///< of cudaMalloc: whoever has peer access to the device may use it
    bool managed = false; ///< every device may use it
    cudaMemPool_t pool = nullptr;
};

/// One question to the driver.
[[nodiscard]] BLINK_SELDOM inline memory_origin origin_of(const void* p) noexcept {
    unsigned plain = 0; // the driver writes one byte of a boolean, or all four
    unsigned managed = 0;
    memory_origin from;
    using of = driver_numbers;
    const int names[] = {of::is_legacy_ipc, of::is_managed, of::device_ordinal, of::pool_handle};
    void* values[] = {&plain, &managed, &from.device, &from.pool};
    if (access_driver::get().attributes_of(static_cast<unsigned>(std::size(names)), names, values,
                                           reinterpret_cast<access_driver::address>(p)) != 0) {
        return {};
    }
    from.managed = managed != 0;
    from.plain = plain != 0 && !from.managed;
    return from;
}

[[nodiscard]] BLINK_SELDOM inline bool may_use_pool(cudaMemPool_t pool, cudaMemLocation& at) noexcept {
    cudaMemAccessFlags rights = cudaMemAccessFlagsProtNone;
    const cudaError_t told = cudaMemPoolGetAccess(&rights, pool, &at);
    if (told != cudaSuccess) { (void)cudaGetLastError(); } // or the next launch would report it
    return told == cudaSuccess && rights == cudaMemAccessFlagsProtReadWrite;
}

/// Of a range that was mapped piece by piece.
[[nodiscard]] BLINK_SELDOM inline bool may_use_pieces(const void* p, std::size_t bytes,
                                                      const cudaMemLocation& at) noexcept {
    const access_driver& driver = access_driver::get();
    const auto begin = reinterpret_cast<access_driver::address>(p);
    for (access_driver::address next = begin; next < begin + bytes;) {
        access_driver::address first = 0;
        std::size_t size = 0;
        unsigned long long rights = 0;
        if (driver.range_of(&first, &size, next) != 0 || first > next || first + size <= next ||
            driver.access_to(&rights, &at, first) != 0 || rights != driver_numbers::read_write) {
            return false;
        }
        next = first + size;
    }
    return true;
}

/// Who has peer access: `ask(of, from, to)`, whether kernels on `from` have it to `to`.
struct peer_reach {
    bool (*ask)(const void* of, int from, int to);
    const void* of;
};

/// Whether kernels on every one of `devices` may load and store all `bytes` at `p`; false also where the driver does
/// not say. Rights to memory of pools and to what is mapped by hand are the user's, and change: so nothing is kept. It
/// is one question for memory of cudaMalloc, one more a device for that of a pool, and one a device for each piece of a
/// range that was mapped piece by piece.
[[nodiscard]] BLINK_SELDOM inline bool all_may_use(const void* p, std::size_t bytes, std::span<const int> devices,
                                                   const peer_reach& reaches) {
    const access_driver& driver = access_driver::get();
    if (!driver.complete()) { return false; }
    const memory_origin from = origin_of(p);
    if (from.managed) { return true; }
    if (from.plain) {
        for (const int d : devices) {
            if (d != from.device && !reaches.ask(reaches.of, d, from.device)) { return false; }
        }
        return true;
    }
    for (const int d : devices) {
        cudaMemLocation at{};
        at.type = cudaMemLocationTypeDevice;
        at.id = d;
        if (!(from.pool != nullptr ? may_use_pool(from.pool, at) : may_use_pieces(p, bytes, at))) { return false; }
    }
    return bytes > 0;
}

} // namespace blink::cuda
