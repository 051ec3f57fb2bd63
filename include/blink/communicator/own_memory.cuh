// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory for the buffers of a process's one rank.
#pragma once

#include <blink/communicator/rank_buffers.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>

namespace blink::cuda {

/// Buffers for users of a process: plain memory of its GPU. Copies follow all work on the GPU.
class own_memory final : public rank_memory {
  public:
    explicit own_memory(int device) : device_(device) {}

    void* allocate(int /*rank*/, std::size_t bytes) override {
        const device_scope current(device_);
        void* memory = nullptr;
        check(cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)), "cudaMalloc");
        check(cudaMemset(memory, 0, bytes), "cudaMemset");
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        return memory;
    }
    void release(int /*rank*/, void* memory, std::size_t /*bytes*/) noexcept override {
        const device_scope current(device_);
        (void)cudaFree(memory);
    }
    void write(int /*rank*/, void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
    void read(int /*rank*/, void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }

  private:
    void copy(void* to, const void* from, std::size_t bytes) {
        const device_scope current(device_);
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
    }

    int device_;
};

} // namespace blink::cuda
