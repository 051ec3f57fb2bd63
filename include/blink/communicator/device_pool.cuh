// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a group on GPUs takes from the driver, and gives back in the right order.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// GPUs that this process sees; 0 where there is none or no driver.
[[nodiscard]] inline int visible_gpus() noexcept {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return count;
}

/// Device memory and streams. At the end the streams are waited for, then all goes.
class device_pool {
  public:
    device_pool() = default;
    BLINK_SELDOM ~device_pool() {
        for (const auto& [device, stream] : streams_) {
            const device_scope current(device);
            (void)cudaStreamSynchronize(stream);
            (void)cudaStreamDestroy(stream);
        }
        for (const auto& [device, memory] : allocations_) {
            const device_scope current(device);
            (void)cudaFree(memory);
        }
    }
    device_pool(const device_pool&) = delete;
    device_pool& operator=(const device_pool&) = delete;

    /// Device memory full of one byte. It is there once the device has been waited for.
    [[nodiscard]] BLINK_SELDOM void* allocate(int device, std::size_t bytes, unsigned char full_of = 0) {
        const device_scope current(device);
        void* memory = nullptr;
        check(cudaMalloc(&memory, bytes), "cudaMalloc");
        allocations_.emplace_back(device, memory);
        check(cudaMemset(memory, full_of, bytes), "cudaMemset");
        return memory;
    }

    [[nodiscard]] BLINK_SELDOM cudaStream_t make_stream(int device) {
        const device_scope current(device);
        cudaStream_t stream = nullptr;
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        streams_.emplace_back(device, stream);
        return stream;
    }

    /// Leaves the memory to the end of the process: others may still write into it.
    void keep_memory() noexcept { allocations_.clear(); }

  private:
    std::vector<std::pair<int, cudaStream_t>> streams_;
    std::vector<std::pair<int, void*>> allocations_;
};

/// Words in host memory that every GPU sees: whether to leave, and a fault for each participant.
class fault_words {
  public:
    /// @throw cuda_error where the driver refuses
    fault_words() {
        void* words = nullptr;
        check(
            cudaHostAlloc(&words, (max_ranks + 1) * sizeof(std::uint64_t), cudaHostAllocPortable | cudaHostAllocMapped),
            "cudaHostAlloc");
        words_ = static_cast<std::uint64_t*>(words);
        std::fill_n(words_, max_ranks + 1, std::uint64_t{0});
    }
    ~fault_words() { (void)cudaFreeHost(words_); }
    fault_words(const fault_words&) = delete;
    fault_words& operator=(const fault_words&) = delete;

    [[nodiscard]] std::uint64_t* abort_word() const noexcept { return words_; }
    [[nodiscard]] std::uint64_t* faults() const noexcept { return words_ + 1; }

    [[nodiscard]] bool aborted() const noexcept { return *static_cast<const volatile std::uint64_t*>(words_) != 0; }
    void abort() noexcept { *static_cast<volatile std::uint64_t*>(words_) = 1; }

    /// The waits that ran into their deadline, by rank and relay stop; empty where none did.
    [[nodiscard]] BLINK_SELDOM std::string text(std::uint64_t timeout_ns, int ranks) const {
        std::string text;
        for (int v = 0; v < max_ranks; ++v) {
            const std::uint64_t word = static_cast<const volatile std::uint64_t*>(words_)[v + 1];
            if (word == 0) { continue; }
            text += (text.empty() ? "" : "; ") + describe(fault::unpacked(word), timeout_ns, ranks);
        }
        return text;
    }

  private:
    std::uint64_t* words_ = nullptr;
};

} // namespace blink::cuda
