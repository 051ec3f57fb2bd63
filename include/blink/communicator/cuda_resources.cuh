// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a group on GPUs owns: streams, peer access, the memory through which ranks meet, and buffers for users.
#pragma once

#include <blink/communicator/device_pool.cuh>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// Streams, flags, slots and rings of the ranks of one process. Device memory a rank: 32 MiB of slots, about 96 MiB of
/// rings, and at most 700 KiB of flags.
class group_resources {
  public:
    /// @param device_of_rank CUDA device of every rank; ranks of one device are neighbours
    /// @throw cuda_error where the driver refuses
    BLINK_SELDOM group_resources(std::span<const int> device_of_rank, std::chrono::nanoseconds timeout, int blocks,
                                 bool staged = false, const tuning& tuned = {}) {
        memory_.staged = staged;
        memory_.tuned = tuned_for_blocks(tuned, blocks);
        set_up(device_of_rank, timeout, blocks);
    }

    BLINK_SELDOM ~group_resources() { abort(); }
    group_resources(const group_resources&) = delete;
    group_resources& operator=(const group_resources&) = delete;

    [[nodiscard]] std::span<const device_ranks> devices() const noexcept { return devices_; }
    /// @param seen false: for calls whose outputs not all ranks may store into
    [[nodiscard]] const group_memory& memory(bool seen = true) const noexcept {
        return seen ? memory_ : staged_memory_;
    }

    /// The device of `rank` and its stream.
    [[nodiscard]] const device_ranks& of(int rank) const {
        for (const device_ranks& d : devices_) {
            for (const int r : d.ranks) {
                if (r == rank) { return d; }
            }
        }
        throw usage_error("rank " + std::to_string(rank) + " is not in this group");
    }

    /// Work of the ranks on `device` goes to `stream` from now on; the caller keeps the stream alive.
    /// @throw usage_error for a device that has no rank here
    void use_stream(int device, cudaStream_t stream, launch_mark* mark = nullptr) {
        for (device_ranks& d : devices_) {
            if (d.device == device) {
                d.stream = stream;
                d.mark = mark;
                return;
            }
        }
        throw usage_error("device " + std::to_string(device) + " is not in this group");
    }

    /// True where kernels on `from` may store into memory of `to`.
    [[nodiscard]] bool reaches(int from, int to) const { return from == to || peers_.contains({from, to}); }

    [[nodiscard]] bool aborted() const noexcept { return words_.aborted(); }
    void abort() noexcept { words_.abort(); }

    /// See `fault_words`.
    [[nodiscard]] std::string fault_text() const {
        return words_.text(memory_.timeout_ns, static_cast<int>(memory_.flags.size()));
    }

    /// Waits for all streams of the group.
    void wait() const {
        for (const device_ranks& d : devices_) {
            const device_scope current(d.device);
            check(cudaStreamSynchronize(d.stream), "cudaStreamSynchronize");
        }
    }

    /// Lets kernels on `from` store into memory of `to`, where the GPUs can.
    BLINK_SELDOM void open_peer(int from, int to) {
        const device_scope current(from);
        int possible = 0;
        check(cudaDeviceCanAccessPeer(&possible, from, to), "cudaDeviceCanAccessPeer");
        if (possible == 0) { return; }
        const cudaError_t status = cudaDeviceEnablePeerAccess(to, 0);
        if (status == cudaErrorPeerAccessAlreadyEnabled) {
            (void)cudaGetLastError();
        } else {
            check(status, "cudaDeviceEnablePeerAccess");
        }
        peers_.insert({from, to});
    }

    /// Zeroed device memory, freed with the group.
    [[nodiscard]] void* allocate(int device, std::size_t bytes) { return pool_.allocate(device, bytes); }

    /// A stream that goes with the group.
    [[nodiscard]] cudaStream_t make_stream(int device) { return pool_.make_stream(device); }

  private:
    static constexpr std::size_t slot_bytes = 32u << 20;

    BLINK_SELDOM void set_up(std::span<const int> device_of_rank, std::chrono::nanoseconds timeout, int blocks) {
        for (std::size_t r = 0; r < device_of_rank.size(); ++r) {
            if (devices_.empty() || devices_.back().device != device_of_rank[r]) {
                devices_.push_back({device_of_rank[r], nullptr, {}});
            }
            devices_.back().ranks.push_back(static_cast<int>(r));
        }
        memory_.slot_memory = slot_bytes;
        memory_.timeout_ns = static_cast<std::uint64_t>(timeout.count());
        memory_.blocks = blocks;
        for (device_ranks& d : devices_) {
            d.stream = make_stream(d.device);
            memory_.searches.insert(
                memory_.searches.end(), d.ranks.size(),
                static_cast<chunk_search*>(allocate(d.device, max_searches * sizeof(chunk_search))));
            for (std::size_t i = 0; i < d.ranks.size(); ++i) {
                memory_.flags.push_back(
                    static_cast<block_flags*>(allocate(d.device, max_blocks * sizeof(block_flags))));
                memory_.slots.push_back(static_cast<std::byte*>(allocate(d.device, slot_bytes)));
                const int ranks = static_cast<int>(device_of_rank.size());
                memory_.streams.push_back(static_cast<stream_flags*>(
                    allocate(d.device, static_cast<std::size_t>(stream_blocks(ranks)) * sizeof(stream_flags))));
                memory_.rings.push_back(
                    static_cast<std::byte*>(pool_.allocate(d.device, stream_memory(ranks), filler_byte)));
            }
        }
        memory_.abort = words_.abort_word();
        memory_.faults = words_.faults();
        staged_memory_ = memory_;
        staged_memory_.staged = true;
        for (const device_ranks& from : devices_) {
            for (const device_ranks& to : devices_) {
                if (from.device != to.device) { open_peer(from.device, to.device); }
            }
        }
        for (const device_ranks& d : devices_) {
            const device_scope current(d.device);
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        }
    }

    fault_words words_; ///< goes last: kernels look at it
    device_pool pool_;
    std::vector<device_ranks> devices_;
    group_memory memory_;
    group_memory staged_memory_; ///< the same in a staged call
    std::set<std::pair<int, int>> peers_;
};

/// Buffers for users: plain device memory of the rank's GPU. Copies follow the work on the rank's stream.
class device_memory final : public rank_memory {
  public:
    explicit device_memory(std::shared_ptr<const group_resources> resources) : resources_(std::move(resources)) {}

    void* allocate(int rank, std::size_t bytes) override {
        const device_scope current(resources_->of(rank).device);
        void* memory = nullptr;
        check(cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)), "cudaMalloc");
        check(cudaMemset(memory, 0, bytes), "cudaMemset");
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        return memory;
    }
    void release(int rank, void* memory, std::size_t /*bytes*/) noexcept override {
        const device_scope current(resources_->of(rank).device);
        (void)cudaFree(memory);
    }
    void write(int rank, void* to, const void* from, std::size_t bytes) override { copy(rank, to, from, bytes); }
    void read(int rank, void* to, const void* from, std::size_t bytes) override { copy(rank, to, from, bytes); }

  private:
    void copy(int rank, void* to, const void* from, std::size_t bytes) {
        const device_ranks& where = resources_->of(rank);
        const device_scope current(where.device);
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, where.stream), "cudaMemcpyAsync");
        check(cudaStreamSynchronize(where.stream), "cudaStreamSynchronize");
    }

    std::shared_ptr<const group_resources> resources_;
};

} // namespace blink::cuda
