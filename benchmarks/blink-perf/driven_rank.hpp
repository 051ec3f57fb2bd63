// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A rank on a GPU, as what measures it sees it.
#pragma once

#include <cuda_runtime_api.h>

namespace blink_perf {

/// A rank that this process drives.
struct driven_rank {
    int rank = 0;
    int device = 0;
    cudaStream_t stream = nullptr;
};

} // namespace blink_perf
