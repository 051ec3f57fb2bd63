// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// All GPUs of a process as ranks of NCCL communicators, and their buffers.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

#include "cases.hpp"
#include "nccl_calls.hpp"
#include "values.hpp"

namespace preload_test {

/// All GPUs, a communicator and a stream each.
struct machine {
    explicit machine(int gpus) : comms(static_cast<std::size_t>(gpus)), streams(comms.size()) {
        const time_limit within("new communicators", std::chrono::seconds(60));
        check("ncclCommInitAll", ncclCommInitAll(comms.data(), gpus, nullptr));
        for (std::size_t r = 0; r < streams.size(); ++r) {
            check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
            check("cudaStreamCreate", cudaStreamCreateWithFlags(&streams[r], cudaStreamNonBlocking));
        }
    }
    [[nodiscard]] std::size_t size() const { return comms.size(); }
    [[nodiscard]] stream* at(std::size_t r) const { return reinterpret_cast<stream*>(streams[r]); }

    /// Makes a call for each rank in one group, and waits.
    void each(const std::function<result(std::size_t rank)>& call) const {
        check("ncclGroupStart", ncclGroupStart());
        for (std::size_t r = 0; r < size(); ++r) { check("call", call(r)); }
        check("ncclGroupEnd", ncclGroupEnd());
        wait();
    }
    void wait() const {
        for (std::size_t r = 0; r < size(); ++r) {
            check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
            check("cudaStreamSynchronize", cudaStreamSynchronize(streams[r]));
        }
    }
    void destroy() {
        const time_limit within("the end of communicators");
        for (communicator* c : comms) { check("ncclCommDestroy", ncclCommDestroy(c)); }
        comms.clear();
    }

    std::vector<communicator*> comms;
    std::vector<cudaStream_t> streams;
};

/// A buffer on each GPU, filled from the host.
class buffers {
  public:
    buffers(std::size_t ranks, std::size_t bytes) : bytes_(bytes), memory_(ranks) {
        for (std::size_t r = 0; r < ranks; ++r) {
            check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
            check("cudaMalloc", cudaMalloc(&memory_[r], bytes));
            check("cudaMemset", cudaMemset(memory_[r], 0x5a, bytes));
            check("cudaDeviceSynchronize", cudaDeviceSynchronize());
        }
    }
    ~buffers() {
        for (void* m : memory_) { (void)cudaFree(m); }
    }
    buffers(const buffers&) = delete;
    buffers& operator=(const buffers&) = delete;

    [[nodiscard]] unsigned char* operator[](std::size_t r) const { return static_cast<unsigned char*>(memory_[r]); }
    void write(std::size_t r, std::size_t offset, const std::vector<unsigned char>& bytes) const {
        check("cudaMemcpy", cudaMemcpy((*this)[r] + offset, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
        check("cudaDeviceSynchronize", cudaDeviceSynchronize());
    }
    [[nodiscard]] std::vector<unsigned char> read(std::size_t r) const {
        std::vector<unsigned char> bytes(bytes_);
        check("cudaMemcpy", cudaMemcpy(bytes.data(), memory_[r], bytes_, cudaMemcpyDeviceToHost));
        return bytes;
    }

  private:
    std::size_t bytes_;
    std::vector<void*> memory_;
};

} // namespace preload_test
