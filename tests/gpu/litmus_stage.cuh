// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Two GPUs on which a writer and a reader play a litmus test: memory on both, flags, and counts of what was seen.
#pragma once

#include <blink/communicator/device_pool.cuh>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>

#include <cuda_runtime_api.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace litmus {

using blink::cuda::check;
using blink::cuda::device_scope;
using blink::cuda::gpu_machine;

inline constexpr int blocks = 64;        ///< of the writer, and of the reader
inline constexpr int most_threads = 512; ///< of a block
inline constexpr std::uint64_t timeout_ns = 6'000'000'000;
inline constexpr std::size_t data_bytes = 16u << 20;   ///< on either GPU
inline constexpr std::size_t most_flags = blocks * 64; ///< on either GPU, each in a line of 128 bytes

/// Counts over all threads of one side.
struct tally {
    unsigned long long forbidden; ///< sights that the library takes for impossible
    unsigned long long allowed;   ///< sights that it allows for
    unsigned long long looks;     ///< sights of data that were new
};

/// What a writer or a reader is told. The last four words are those that `wait_until` looks for in a call.
struct stage {
    std::byte* data;
    std::uint64_t* arrived; ///< in the reader's memory: rounds whose data are there
    std::uint64_t* taken;   ///< in the writer's memory: rounds whose data were read
    tally* found;           ///< in the memory of who runs
    std::uint64_t rounds;
    std::uint64_t* faults;
    std::uint64_t* abort;
    std::uint64_t timeout_ns;

    [[nodiscard]] __device__ static std::size_t flag(int number) { return static_cast<std::size_t>(number) * 16; }

    /// Waits until `flag` has reached `wanted`; false after the deadline.
    [[nodiscard]] __device__ bool wait(const std::uint64_t* flag, std::uint64_t wanted, int who) const {
        const gpu_machine machine;
        return blink::cuda::wait_until(
            machine, *this, [&] { return machine.load(flag) >= wanted; }, [&] { return fault_of(who); });
    }

    /// @param who 0: the writer; 1: the reader
    [[nodiscard]] __device__ static blink::cuda::fault fault_of(int who) {
        return {who == 0 ? blink::cuda::awaited::room : blink::cuda::awaited::result,
                who,
                1 - who,
                0,
                gpu_machine::block(),
                0};
    }

    __device__ void count(const tally& seen) const {
        if (seen.forbidden != 0) { atomicAdd(&found->forbidden, seen.forbidden); }
        if (seen.allowed != 0) { atomicAdd(&found->allowed, seen.allowed); }
        if (seen.looks != 0) { atomicAdd(&found->looks, seen.looks); }
    }
};

template <class Test>
__global__ void __launch_bounds__(most_threads) play(const Test test, const stage at, bool writes) {
    if (writes) {
        test.write(at);
    } else {
        test.read(at);
    }
}

/// Where a test's data lie and who plays.
struct setting {
    bool at_writer = false; ///< data lie in the writer's memory, not in the reader's
    bool one_gpu = false;   ///< the writer runs on the reader's GPU
};

struct outcome {
    tally found{};
    double seconds = 0;
    std::string fault; ///< who waited too long; empty where nobody did
};

/// Memory and streams on GPU 0, which writes, and GPU 1, which reads. Both have reached each other's memory before.
class ground {
  public:
    ground() {
        for (int gpu = 0; gpu < 2; ++gpu) {
            const auto i = static_cast<std::size_t>(gpu);
            data_[i] = static_cast<std::byte*>(pool_.allocate(gpu, data_bytes));
            flags_[i] = static_cast<std::uint64_t*>(pool_.allocate(gpu, flag_bytes));
            found_[i] = static_cast<tally*>(pool_.allocate(gpu, sizeof(tally)));
            for (cudaStream_t& s : streams_[i]) { s = pool_.make_stream(gpu); }
        }
    }

    /// What each side is told, with fresh memory.
    [[nodiscard]] std::array<stage, 2> make_stages(const setting& where, std::uint64_t rounds) {
        const std::size_t writer = where.one_gpu ? 1 : 0;
        for (std::size_t i = 0; i < 2; ++i) {
            const device_scope current(static_cast<int>(i));
            check(cudaMemset(data_[i], 0, data_bytes), "cudaMemset");
            check(cudaMemset(flags_[i], 0, flag_bytes), "cudaMemset");
            check(cudaMemset(found_[i], 0, sizeof(tally)), "cudaMemset");
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        }
        stage at{data_[where.at_writer ? writer : 1],
                 flags_[1],
                 flags_[writer] + most_flags * 16,
                 found_[writer],
                 rounds,
                 words_.faults(),
                 words_.abort_word(),
                 3'000'000'000};
        std::array<stage, 2> both{at, at};
        both[1].found = found_[1];
        return both;
    }

    /// Plays a test to its end.
    template <class Test>
    [[nodiscard]] outcome run(const Test& test, int threads, std::uint64_t rounds, const setting& where = {}) {
        const auto at = make_stages(where, rounds);
        const auto start = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < 2; ++i) {
            const device_scope current(gpu_of(i, where));
            play<<<blocks, threads, 0, stream(i, where)>>>(test, at[i], i == 0);
            check(cudaGetLastError(), "launch of a litmus test");
        }
        return finish(where, start);
    }

    /// Waits for both sides and gathers what they saw.
    [[nodiscard]] outcome finish(const setting& where, std::chrono::steady_clock::time_point start) {
        outcome all;
        for (std::size_t i = 0; i < 2; ++i) {
            const device_scope current(gpu_of(i, where));
            check(cudaStreamSynchronize(stream(i, where)), "cudaStreamSynchronize");
        }
        all.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        for (std::size_t i = 0; i < 2; ++i) {
            tally t{};
            check(cudaMemcpy(&t, found_[i], sizeof t, cudaMemcpyDefault), "cudaMemcpy");
            all.found.forbidden += t.forbidden;
            all.found.allowed += t.allowed;
            all.found.looks += t.looks;
        }
        all.fault = words_.text(timeout_ns, 2);
        return all;
    }

    [[nodiscard]] static int gpu_of(std::size_t side, const setting& where) {
        return side == 1 || where.one_gpu ? 1 : 0;
    }
    [[nodiscard]] cudaStream_t stream(std::size_t side, const setting& where) const {
        return streams_[static_cast<std::size_t>(gpu_of(side, where))][side];
    }

  private:
    static constexpr std::size_t flag_bytes = 2 * most_flags * 128; ///< what arrived, and behind it what was taken

    blink::cuda::fault_words words_;
    blink::cuda::device_pool pool_;
    std::array<std::byte*, 2> data_{};
    std::array<std::uint64_t*, 2> flags_{};
    std::array<tally*, 2> found_{};
    std::array<std::array<cudaStream_t, 2>, 2> streams_{};
};

} // namespace litmus
