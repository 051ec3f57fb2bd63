// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A GPU on which stores between ranks take as long as the links of another machine would need.
#pragma once

#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/lane_ends.hpp>
#include <blink/execute/cuda/paced_links.hpp>

#include <cstdint>

namespace blink::cuda {

/// `paced_plan` in device memory, as the kernel takes it.
struct paced_links {
    unsigned long long* free_at = nullptr; ///< by link: when it has carried all that asked; ticks of the GPU's clock
    const double* ns_per_byte = nullptr;
    const paced_route* routes = nullptr;
    int ranks = 0;
    unsigned long long* ends = nullptr; ///< record of `lane_ends`; null: none is kept
};

/// `gpu_machine` over paced links. The data are stored as fast as the GPU can; the flag behind them waits.
struct paced_machine : gpu_machine {
    paced_links links;

    __device__ void carry(int lane, int child, bool up, std::uint64_t bytes) const {
        const paced_route& route = links.routes[route_index(lane, child, up, links.ranks)];
        const std::uint64_t now = ticks();
        std::uint64_t end = now;
        for (int i = 0; i < route.count; ++i) {
            const int l = route.links[i];
            const std::uint64_t done = reserve(links.free_at + l, now, cost(bytes, links.ns_per_byte[l]));
            end = done > end ? done : end;
        }
        end += std::uint64_t{route.latency_ns} * ticks_per_ns;
        while (ticks() < end) { __nanosleep(20); }
        if (links.ends != nullptr) {
            // On the way up a chunk of the child's comes to its parent; it is entered under the child all the same.
            stamp_lane(links.ends, lane, child, links.ranks, now / ticks_per_ns, now_ns(), raise_word{});
        }
    }

  private:
    /// Looks before it writes, since most stamps of the earliest time are late.
    struct raise_word {
        __device__ void operator()(unsigned long long* word, unsigned long long value) const {
            if (*static_cast<volatile unsigned long long*>(word) < value) { atomicMax(word, value); }
        }
    };

    static constexpr std::uint64_t ticks_per_ns = 8; // short chunks on fast links take few nanoseconds

    [[nodiscard]] static __device__ std::uint64_t ticks() { return now_ns() * ticks_per_ns; }

    [[nodiscard]] static __device__ std::uint64_t cost(std::uint64_t bytes, double ns_per_byte) {
        return static_cast<std::uint64_t>(static_cast<double>(bytes) * ns_per_byte * static_cast<double>(ticks_per_ns) +
                                          0.5);
    }

    /// Appends `duration` to what the link has to do; returns the end. Two atomics that cannot fail: a loop of
    /// comparisons would let a link that many blocks ask for serve one chunk in 0.3 us at most. Between the two another
    /// block may raise an idle link to its own, later now; then both begin there.
    [[nodiscard]] static __device__ std::uint64_t reserve(unsigned long long* free_at, std::uint64_t now,
                                                          std::uint64_t duration) {
        (void)atomicMax(free_at, static_cast<unsigned long long>(now));
        return atomicAdd(free_at, static_cast<unsigned long long>(duration)) + duration;
    }
};

} // namespace blink::cuda
