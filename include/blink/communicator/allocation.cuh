// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the driver knows about the allocation that an address is in.
#pragma once

#include <blink/communicator/driver_function.cuh>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace blink::cuda {

namespace detail {

template <class Value>
[[nodiscard]] std::optional<Value> pointer_attribute(const void* p, CUpointer_attribute which) {
    static auto* const get =
        driver_function<CUresult(void*, CUpointer_attribute, CUdeviceptr)>("cuPointerGetAttribute");
    Value value{};
    if (get == nullptr || get(&value, which, reinterpret_cast<CUdeviceptr>(p)) != CUDA_SUCCESS) { return std::nullopt; }
    return value;
}

} // namespace detail

/// A number that no other allocation of this process has or will have; 0 for memory that is no allocation of the
/// driver's, or is none any more.
[[nodiscard]] inline std::uint64_t allocation_number(const void* p) {
    return detail::pointer_attribute<unsigned long long>(p, CU_POINTER_ATTRIBUTE_BUFFER_ID).value_or(0);
}

/// Memory of cudaMalloc that another process can open.
struct exported_memory {
    std::string handle;     ///< the bytes of a cudaIpcMemHandle_t, for the whole allocation
    std::size_t offset = 0; ///< of the address in the allocation
};

/// What another process needs to see `bytes` at `p`; none where they cannot be exported so: memory of a pool, managed
/// memory, and ranges that are mapped piece by piece (see mapped_memory.cuh).
[[nodiscard]] inline std::optional<exported_memory> export_memory(void* p, std::size_t bytes) {
    const auto capable = detail::pointer_attribute<int>(p, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE);
    const auto managed = detail::pointer_attribute<unsigned>(p, CU_POINTER_ATTRIBUTE_IS_MANAGED);
    const auto begin = detail::pointer_attribute<CUdeviceptr>(p, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
    const auto size = detail::pointer_attribute<std::size_t>(p, CU_POINTER_ATTRIBUTE_RANGE_SIZE);
    if (capable.value_or(0) == 0 || managed.value_or(0) != 0 || !begin || !size) { return std::nullopt; }
    exported_memory memory{{}, static_cast<std::size_t>(reinterpret_cast<CUdeviceptr>(p) - *begin)};
    if (memory.offset > *size || bytes > *size - memory.offset) { return std::nullopt; }
    cudaIpcMemHandle_t handle{};
    if (cudaIpcGetMemHandle(&handle, reinterpret_cast<void*>(*begin)) != cudaSuccess) {
        (void)cudaGetLastError();
        return std::nullopt;
    }
    memory.handle.assign(reinterpret_cast<const char*>(&handle), sizeof handle);
    return memory;
}

} // namespace blink::cuda
