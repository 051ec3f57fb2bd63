// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The same call by bulk copies and by the threads of the tree kernel: all bytes of all outputs, and those around them,
/// have to be the same.
#pragma once

#include <blink/communicator/cuda_resources.cuh>
#include <blink/core/buffers.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "elements.hpp"

namespace gpu_test {

/// Bytes that are modest finite numbers in every type.
static __global__ void fill_modestly(std::uint8_t* to, std::size_t bytes, int rank) {
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < bytes; i += stride) {
        to[i] = static_cast<std::uint8_t>(mixed(11, rank, i) & 0x3FU);
    }
}

static __global__ void count_differing(const std::uint32_t* a, const std::uint32_t* b, std::size_t words,
                                       unsigned long long* count) {
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    unsigned long long differing = 0;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < words; i += stride) {
        differing += a[i] != b[i] ? 1U : 0U;
    }
    if (differing > 0) { atomicAdd(count, differing); }
}

/// Ranks on GPUs with room for calls of some size.
class bulk_trial {
  public:
    /// @param most_bytes of a rank's input or output
    bulk_trial(std::span<const int> device_of_rank, std::size_t most_bytes, int blocks)
        : resources_(device_of_rank, std::chrono::seconds(10), blocks), room_(most_bytes + 2 * red_zone) {
        for (std::size_t r = 0; r < device_of_rank.size(); ++r) {
            in_.push_back(allocate(static_cast<int>(r), room_));
            out_.push_back(allocate(static_cast<int>(r), room_));
            saved_.push_back(allocate(static_cast<int>(r), room_));
            counts_.push_back(reinterpret_cast<unsigned long long*>(allocate(static_cast<int>(r), 256)));
        }
    }

    [[nodiscard]] bool is_sound() const { return resources_.fault_text().empty(); }

    /// Blocks of a kernel that every GPU holds, for each of its ranks.
    [[nodiscard]] int resident(const void* kernel) const {
        int least = blink::cuda::max_blocks;
        for (const blink::cuda::device_ranks& d : resources_.devices()) {
            const blink::cuda::device_scope current(d.device);
            least =
                std::min(least, blink::cuda::resident_bulk_blocks(kernel, d.device) / static_cast<int>(d.ranks.size()));
        }
        return least;
    }

    /// Words that differ between the two ways, on all ranks.
    template <class T, class Op>
    [[nodiscard]] unsigned long long differing(const blink::schedule& s, std::size_t count, bool in_place, const Op& op,
                                               std::size_t chunk_bytes = 0) {
        run<T>(s, count, in_place, op, chunk_bytes, 0);
        each_rank([&](std::size_t r, cudaStream_t stream) {
            blink::cuda::check(cudaMemcpyAsync(saved_[r], out_[r], room_, cudaMemcpyDeviceToDevice, stream), "copy");
        });
        run<T>(s, count, in_place, op, chunk_bytes, 1);
        unsigned long long total = 0;
        each_rank([&](std::size_t r, cudaStream_t stream) {
            unsigned long long found = 0;
            blink::cuda::check(cudaMemsetAsync(counts_[r], 0, sizeof found, stream), "cudaMemsetAsync");
            count_differing<<<256, 256, 0, stream>>>(reinterpret_cast<const std::uint32_t*>(saved_[r]),
                                                     reinterpret_cast<const std::uint32_t*>(out_[r]),
                                                     room_ / sizeof(std::uint32_t), counts_[r]);
            blink::cuda::check(cudaMemcpyAsync(&found, counts_[r], sizeof found, cudaMemcpyDeviceToHost, stream),
                               "cudaMemcpyAsync");
            blink::cuda::check(cudaStreamSynchronize(stream), "count_differing");
            total += found;
        });
        return total;
    }

  private:
    static constexpr std::size_t red_zone = 256; ///< bytes before and behind every output
    static constexpr int poison = 0xC5;

    std::uint8_t* allocate(int rank, std::size_t bytes) {
        return static_cast<std::uint8_t*>(resources_.allocate(resources_.of(rank).device, bytes));
    }

    template <class Body>
    void each_rank(const Body& body) const {
        for (std::size_t r = 0; r < in_.size(); ++r) {
            const blink::cuda::device_ranks& where = resources_.of(static_cast<int>(r));
            const blink::cuda::device_scope current(where.device);
            body(r, where.stream);
        }
    }

    template <class T, class Op>
    void run(const blink::schedule& s, std::size_t count, bool in_place, const Op& op, std::size_t chunk_bytes,
             std::size_t bulk_from) {
        const std::size_t in_bytes = blink::input_count(s.kind, s.ranks, count) * sizeof(T);
        const std::size_t out_bytes = blink::output_count(s.kind, s.ranks, count) * sizeof(T);
        std::vector<const T*> in;
        std::vector<T*> out;
        each_rank([&](std::size_t r, cudaStream_t stream) {
            blink::cuda::check(cudaMemsetAsync(out_[r], poison, room_, stream), "cudaMemsetAsync");
            std::uint8_t* const from = (in_place ? out_[r] : in_[r]) + red_zone;
            fill_modestly<<<256, 256, 0, stream>>>(from, in_place ? std::max(in_bytes, out_bytes) : in_bytes,
                                                   static_cast<int>(r));
            blink::cuda::check(cudaStreamSynchronize(stream), "fill_modestly");
            const std::size_t in_shard = in_place && out_bytes > in_bytes ? r * in_bytes : 0;
            const std::size_t out_shard = in_place && in_bytes > out_bytes ? r * out_bytes : 0;
            in.push_back(reinterpret_cast<const T*>(from + in_shard));
            out.push_back(reinterpret_cast<T*>(out_[r] + red_zone + out_shard));
        });
        blink::cuda::group_memory memory = resources_.memory();
        memory.tuned.bulk_from = bulk_from;
        memory.tuned.bulk_blocks = blink::cuda::max_blocks;
        blink::cuda::launch<T>(s, blink::cuda::to_runtime_schedule(s), std::span<const T* const>(in),
                               std::span<T* const>(out), count, op, resources_.devices(), memory, chunk_bytes);
        resources_.wait();
    }

    blink::cuda::group_resources resources_;
    std::size_t room_; ///< bytes of a buffer, red zones included
    std::vector<std::uint8_t*> in_, out_, saved_;
    std::vector<unsigned long long*> counts_;
};

} // namespace gpu_test
