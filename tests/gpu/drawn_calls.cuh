// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls of random collectives, sizes, roots, placements, chunks and protocols, each judged by a kernel behind it.
#pragma once

#include <blink/communicator/cuda_exchange.cuh>
#include <blink/communicator/cuda_group.cuh>
#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

namespace gpu_test {

inline constexpr std::size_t margin = 256;          ///< bytes around an output that nobody may touch
inline constexpr std::size_t most_bytes = 6u << 20; ///< of the larger buffer of a rank
inline constexpr std::size_t room = most_bytes + 2 * margin + 64;
inline constexpr unsigned char filler = 0xC5;

/// Input `i` of `rank`: small whole numbers, so that sums are exact in every type here.
template <class T>
__device__ T value_of(std::uint64_t seed, int rank, std::uint64_t i) {
    std::uint64_t x = seed + 0x9E3779B97F4A7C15ULL * (i + 1) + 0xD1B54A32D192ED03ULL * static_cast<unsigned>(rank + 1);
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
    return static_cast<T>((x ^ x >> 27) % 31);
}

template <class T>
__global__ void fill_input(T* to, std::size_t count, std::uint64_t seed, int rank) {
    for (std::size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        to[i] = value_of<T>(seed, rank, i);
    }
}

/// One call and the place of its buffers.
struct drawn_call {
    blink::collective kind;
    int ranks, root;
    std::size_t count;
    std::uint64_t seed;
    bool takes_most;    ///< the operator is max, not sum
    bool swaps = false; ///< it is an AllToAll of `count` elements a pair, whatever its kind
};

template <class T>
__device__ T expected(const drawn_call& c, int rank, std::uint64_t i) {
    if (c.swaps) {
        return value_of<T>(c.seed, static_cast<int>(i / c.count), static_cast<unsigned>(rank) * c.count + i % c.count);
    }
    if (c.kind == blink::collective::broadcast) { return value_of<T>(c.seed, c.root, i); }
    if (c.kind == blink::collective::allgather) {
        return value_of<T>(c.seed, static_cast<int>(i / c.count), i % c.count);
    }
    const std::uint64_t at =
        c.kind == blink::collective::reduce_scatter ? static_cast<unsigned>(rank) * c.count + i : i;
    T total = value_of<T>(c.seed, 0, at);
    for (int r = 1; r < c.ranks; ++r) {
        const T x = value_of<T>(c.seed, r, at);
        total = c.takes_most ? (x > total ? x : total) : static_cast<T>(total + x);
    }
    return total;
}

/// Counts elements that are wrong, and bytes around them that lost their filler.
template <class T>
__global__ void judge_call(const drawn_call c, int rank, const T* out, std::size_t count, bool in_larger,
                           unsigned* wrong) {
    const std::size_t first = blockIdx.x * blockDim.x + threadIdx.x;
    for (std::size_t i = first; i < count; i += gridDim.x * blockDim.x) {
        if (out[i] != expected<T>(c, rank, i)) { atomicAdd(wrong, 1); }
    }
    if (first < margin && !in_larger) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(out);
        if (bytes[count * sizeof(T) + first] != filler) { atomicAdd(wrong, 1); }
        if ((bytes - margin)[first] != filler) { atomicAdd(wrong, 1); }
    }
}

/// Draws calls, enqueues them one behind the other and judges each behind it, without waiting in between.
class caller {
  public:
    /// @param pulls parents may read their children's buffers
    caller(blink::cuda_group& group, unsigned seed, bool pulls)
        : group_(group), pulls_(pulls), random_(seed), counts_(group.make_buffers<unsigned>(1)) {
        for (int side = 0; side < 2; ++side) { memory_.push_back(group.make_buffers<unsigned char>(room)); }
    }

    template <class T, class Op>
    void call(const Op& op) {
        drawn_call c{static_cast<blink::collective>(below(5)),
                     group_.size(),
                     static_cast<int>(below(group_.size())),
                     0,
                     random_(),
                     !std::is_same_v<Op, blink::sum>};
        const std::size_t shards = blink::is_sharded(c.kind) ? static_cast<std::size_t>(c.ranks) : 1;
        const std::size_t most = most_bytes >> below(21);
        c.count = below(most / sizeof(T) / shards + 1);
        const bool in_place = below(2) == 0;
        const std::size_t in_count = blink::input_count(c.kind, c.ranks, c.count);
        const std::size_t out_count = blink::output_count(c.kind, c.ranks, c.count);
        std::vector<const T*> in;
        std::vector<T*> out;
        for (int r = 0; r < c.ranks; ++r) {
            const auto place = [&](int side) {
                return reinterpret_cast<T*>(memory_[static_cast<std::size_t>(side)][r] + margin) + below(4);
            };
            T* from = place(0);
            T* to = place(1);
            if (in_place && in_count > out_count) { to = from + static_cast<std::size_t>(r) * c.count; }
            if (in_place && in_count <= out_count) { from = to + (out_count > in_count ? r * c.count : 0); }
            on(r, [&](cudaStream_t s) {
                for (auto& m : memory_) { blink::cuda::check(cudaMemsetAsync(m[r], filler, room, s), "poison"); }
                fill_input<<<64, 256, 0, s>>>(from, in_count, c.seed, r);
            });
            in.push_back(from);
            out.push_back(to);
        }
        blink::options choices;
        if (below(3) == 0) { choices.chunk = blink::fixed_chunk{std::size_t{1024} << below(8)}; }
        if (below(3) == 0) {
            const bool pulls = c.kind == blink::collective::allreduce && pulls_ && below(2) == 0;
            choices.how = pulls ? blink::protocol::pull : blink::protocol::chunks;
        }
        // Forests may have more lanes than there are blocks for cells.
        if (below(2) == 0 && shards == 1) {
            const bool straight = c.kind == blink::collective::allreduce && below(2) == 0;
            choices.how = straight ? blink::protocol::all_pairs : blink::protocol::cells;
        }
        const std::size_t times = 1 + below(2); // the same call twice in a row finds flags of its own
        for (std::size_t t = 0; t < (in_place ? 1 : times); ++t) {
            group_.run<T, Op>(c.kind, c.root, in, out, c.count, op, choices);
        }
        for (int r = 0; r < c.ranks; ++r) {
            if (!blink::writes_output(c.kind, c.root, r)) { continue; }
            on(r, [&](cudaStream_t s) {
                judge_call<T><<<64, 256, 0, s>>>(c, r, out[static_cast<std::size_t>(r)], out_count,
                                                 in_place && in_count > out_count, counts_[r]);
            });
        }
    }

    /// An AllToAll, which has the flags of the trees.
    template <class T>
    void swap() {
        drawn_call c{blink::collective::allreduce, group_.size(), 0, 0, random_(), false, true};
        c.count = below((most_bytes >> below(20)) / sizeof(T) / static_cast<std::size_t>(c.ranks)) + 1;
        const std::size_t all = c.count * static_cast<std::size_t>(c.ranks);
        std::vector<const T*> in;
        std::vector<T*> out;
        for (int r = 0; r < c.ranks; ++r) {
            T* const from = reinterpret_cast<T*>(memory_[0][r] + margin) + below(4);
            out.push_back(reinterpret_cast<T*>(memory_[1][r] + margin) + below(4));
            in.push_back(from);
            on(r, [&](cudaStream_t s) {
                blink::cuda::check(cudaMemsetAsync(memory_[1][r], filler, room, s), "cudaMemsetAsync");
                fill_input<<<64, 256, 0, s>>>(from, all, c.seed, r);
            });
        }
        group_.run<T>(blink::make_alltoall(c.ranks, c.count), std::span<const T* const>(in), std::span<T* const>(out));
        for (int r = 0; r < c.ranks; ++r) {
            on(r, [&](cudaStream_t s) {
                judge_call<T><<<64, 256, 0, s>>>(c, r, out[static_cast<std::size_t>(r)], all, false, counts_[r]);
            });
        }
    }

    [[nodiscard]] unsigned wrong() {
        group_.synchronize();
        unsigned total = 0;
        for (int r = 0; r < group_.size(); ++r) { total += counts_.read(r).front(); }
        return total;
    }

  private:
    template <class Act>
    void on(int rank, const Act& act) {
        const blink::cuda::device_scope current(group_.device(rank));
        act(group_.stream(rank));
        blink::cuda::check(cudaGetLastError(), "a kernel of the test");
    }
    std::size_t below(auto n) { return random_() % static_cast<std::size_t>(n); }

    blink::cuda_group& group_;
    bool pulls_;
    std::mt19937_64 random_;
    std::vector<blink::rank_buffers<unsigned char>> memory_;
    blink::rank_buffers<unsigned> counts_;
};

} // namespace gpu_test
