// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What calls by copies between two processes take for granted: that what a copy engine moved is there when a flag says
/// so that a kernel raises behind it, and that a copy engine moves what a kernel stored before the flag for which a
/// kernel before the copy waited. Copies and kernels of the flags are on streams of their own, with events between.
#pragma once

#include <blink/communicator/device_pool.cuh>
#include <blink/execute/cuda/gpu_machine.cuh>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "litmus_stage.cuh"
#include "litmus_tests.cuh"

namespace litmus {

inline constexpr std::size_t copied_bytes = blocks * part::each * most_threads * sizeof(word);

/// The writer's blocks store a round's data, each once the reader has taken the last ones.
__global__ void __launch_bounds__(most_threads) store_data(const stage at, std::uint64_t round) {
    const team threads;
    const part own(at, gpu_machine::block(), 1);
    const std::size_t flag = stage::flag(gpu_machine::block());
    if (!threads.all(!threads.leads() || at.wait(at.taken + flag, round - 1, 0))) { return; }
    own.visit([&](std::size_t i, std::size_t place) { blink::cuda::store<4>(own.first, place, word_of(round, i)); });
}

/// One thread tells all blocks of the reader.
__global__ void raise(const stage at, std::uint64_t round) {
    const gpu_machine machine;
    machine.fence();
    for (int b = 0; b < blocks; ++b) { machine.store(at.arrived + stage::flag(b), round); }
}

/// One thread waits until it has been told.
__global__ void hear(const stage at, std::uint64_t round) { (void)at.wait(at.arrived, round, 1); }

/// The reader's blocks look at a round's data and tell that they have been taken.
__global__ void __launch_bounds__(most_threads) look_at_data(const stage at, std::uint64_t round) {
    const gpu_machine machine;
    const team threads;
    const part own(at, machine.block(), 1);
    tally seen{};
    own.visit([&](std::size_t i, std::size_t place) {
        seen.forbidden += same(blink::cuda::load<4>(own.first, place), word_of(round, i)) ? 0 : 1;
        ++seen.looks;
    });
    threads.sync();
    if (threads.leads()) {
        machine.fence();
        machine.store(at.taken + stage::flag(machine.block()), round);
    }
    at.count(seen);
}

/// Two streams of one GPU that wait for each other in turns.
class stream_pair {
  public:
    explicit stream_pair(int gpu) : gpu_(gpu), streams_{pool_.make_stream(gpu), pool_.make_stream(gpu)} {
        const device_scope current(gpu);
        check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~stream_pair() { (void)cudaEventDestroy(event_); }
    stream_pair(const stream_pair&) = delete;
    stream_pair& operator=(const stream_pair&) = delete;

    [[nodiscard]] int gpu() const { return gpu_; }
    [[nodiscard]] cudaStream_t copies() const { return streams_[0]; }
    [[nodiscard]] cudaStream_t flags() const { return streams_[1]; }
    /// `follower` goes on behind what `leader` holds.
    void order(cudaStream_t leader, cudaStream_t follower) const {
        check(cudaEventRecord(event_, leader), "cudaEventRecord");
        check(cudaStreamWaitEvent(follower, event_, 0), "cudaStreamWaitEvent");
    }
    void wait() const {
        const device_scope current(gpu_);
        for (const cudaStream_t s : streams_) { check(cudaStreamSynchronize(s), "cudaStreamSynchronize"); }
    }

  private:
    int gpu_;
    blink::cuda::device_pool pool_;
    std::array<cudaStream_t, 2> streams_;
    cudaEvent_t event_ = nullptr;
};

/// A copy engine of the writer moves the data, then a kernel raises the flags; the reader's blocks poll all along.
[[nodiscard]] inline outcome run_copied(ground& on, std::uint64_t rounds) {
    blink::cuda::device_pool pool;
    const auto at = on.make_stages({}, rounds);
    const stream_pair writer(0);
    stage source = at[0];
    source.data = static_cast<std::byte*>(pool.allocate(0, data_bytes));
    const auto start = std::chrono::steady_clock::now();
    {
        const device_scope current(1);
        play<<<blocks, most_threads, 0, on.stream(1, {})>>>(message_passing{true, 1}, at[1], false);
        check(cudaGetLastError(), "launch of a litmus test");
    }
    const device_scope current(0);
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        store_data<<<blocks, most_threads, 0, writer.copies()>>>(source, round);
        check(cudaMemcpyAsync(at[0].data, source.data, copied_bytes, cudaMemcpyDefault, writer.copies()),
              "cudaMemcpyAsync");
        writer.order(writer.copies(), writer.flags());
        raise<<<1, 1, 0, writer.flags()>>>(at[0], round);
        check(cudaGetLastError(), "launch of a litmus test");
    }
    writer.wait();
    return on.finish({}, start);
}

/// A kernel of the writer stores into the reader's memory and raises the flags; behind a kernel that waited for them a
/// copy engine of the reader moves the data to where its blocks look.
[[nodiscard]] inline outcome run_copied_onward(ground& on, std::uint64_t rounds) {
    blink::cuda::device_pool pool;
    const auto at = on.make_stages({}, rounds);
    const stream_pair reader(1);
    stage target = at[1];
    target.data = static_cast<std::byte*>(pool.allocate(1, data_bytes));
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        {
            const device_scope current(0);
            store_data<<<blocks, most_threads, 0, on.stream(0, {})>>>(at[0], round);
            raise<<<1, 1, 0, on.stream(0, {})>>>(at[0], round);
            check(cudaGetLastError(), "launch of a litmus test");
        }
        const device_scope current(1);
        hear<<<1, 1, 0, reader.flags()>>>(at[1], round);
        reader.order(reader.flags(), reader.copies());
        check(cudaMemcpyAsync(target.data, at[1].data, copied_bytes, cudaMemcpyDefault, reader.copies()),
              "cudaMemcpyAsync");
        look_at_data<<<blocks, most_threads, 0, reader.copies()>>>(target, round);
        check(cudaGetLastError(), "launch of a litmus test");
        reader.order(reader.copies(), reader.flags());
    }
    reader.wait();
    return on.finish({}, start);
}

} // namespace litmus
