// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which memory the kernels of other GPUs may touch once peer access is open.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <dlfcn.h>

namespace blink::preload {

/// True for memory of `device` that peer access covers: that of cudaMalloc. Memory from pools and mapped by hand has
/// access rights of its own, and a kernel that stores there without them ends the program. Both cannot be shared
/// between processes the old way, which is what the driver tells.
[[nodiscard]] inline bool peers_may_use(const void* memory, int device) noexcept {
    using query = CUresult (*)(unsigned, CUpointer_attribute*, void**, CUdeviceptr);
    // The runtime has opened the driver by now; a second name for it must not be needed at link time.
    static const auto ask = [] {
        void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
        return reinterpret_cast<query>(driver == nullptr ? nullptr : dlsym(driver, "cuPointerGetAttributes"));
    }();
    if (ask == nullptr) { return false; }
    unsigned shareable = 0; // the driver writes one byte of a boolean, or all four
    unsigned managed = 1;
    int where = -1; // of memory that CUDA does not know it becomes another number that is no device's
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                                   CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    void* values[] = {&shareable, &managed, &where};
    return ask(3, names, values, reinterpret_cast<CUdeviceptr>(memory)) == CUDA_SUCCESS && shareable != 0 &&
           managed == 0 && where == device;
}

} // namespace blink::preload
