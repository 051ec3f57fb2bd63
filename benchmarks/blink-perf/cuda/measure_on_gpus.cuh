// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// `measure_type` on GPUs; each `types_*.cu` instantiates it for a few element types, so that no file compiles long.
#pragma once

#include "cuda_backend.cuh"

namespace blink_perf {

template <class T>
outcome measure_on_gpus(cuda_backend& b, const job& j) {
    return measure_type<T>(b, j);
}

} // namespace blink_perf
