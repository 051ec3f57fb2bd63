// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Functions of the CUDA driver, asked for at run time, so that a program needs no library beside the runtime.
#pragma once

#include <cuda_runtime_api.h>

namespace blink::cuda {

/// The driver's function of this name as of CUDA 12.0; null where the driver has none. The current device's context is
/// made where there was none.
template <class Function>
[[nodiscard]] Function* driver_function(const char* name) {
    void* found = nullptr;
#if CUDART_VERSION >= 12050
    cudaDriverEntryPointQueryResult status{};
    if (cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &status) != cudaSuccess ||
        status != cudaDriverEntryPointSuccess) {
        found = nullptr;
    }
#else
    if (cudaGetDriverEntryPoint(name, &found, cudaEnableDefault) != cudaSuccess) { found = nullptr; }
#endif
    (void)cudaGetLastError();
    return reinterpret_cast<Function*>(found);
}

} // namespace blink::cuda
