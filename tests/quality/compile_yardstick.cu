// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What compile_time.py measures a machine with: a file without Blink that works every part of nvcc.
#include <cuda/atomic>

#include <cooperative_groups.h>
#include <functional>
#include <map>
#include <regex>
#include <string>
#include <vector>

__global__ void scale(float* data, int count) {
    cuda::atomic_ref<int, cuda::thread_scope_system> seen(count);
    for (int i = threadIdx.x; i < seen.load(cuda::std::memory_order_acquire); i += blockDim.x) data[i] *= 2.0f;
}

bool matches(const std::string& text) { return std::regex_match(text, std::regex("[a-z]+[0-9]*")); }
