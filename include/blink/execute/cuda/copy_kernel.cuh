// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Combines what copies have brought to a rank: the contributions of all ranks in ascending order, in one pass over
/// the memory of one GPU.
#pragma once

#include <blink/core/reduction.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/pair_sum.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// Contributions of up to `max_ranks` ranks and where their total goes, which may be one of them.
template <class T>
struct combine_call {
    const T* from[max_ranks];
    T* to;
    std::uint32_t count;
    int ranks;
    bool wide; ///< all pointers are 16-byte aligned
    bool deep; ///< there are so few blocks that each thread has to have many loads under way
};

/// The threads of a grid.
struct grid_group {
    int thread;
    int threads;
};

/// Sums of two contributions in the GPU's own arithmetic, `Unroll` vectors of a thread with their loads under way.
template <int Unroll, class T>
BLINK_DEVICE_CODE inline void sum_pairs(const grid_group& group, std::uint32_t vectors, const combine_call<T>& call) {
    const auto stride = static_cast<std::uint32_t>(group.threads);
    auto i = static_cast<std::uint32_t>(group.thread);
    for (; i + (Unroll - 1) * stride < vectors; i += Unroll * stride) {
        unit<T> own[Unroll];
        unit<T> theirs[Unroll];
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) {
            own[u] = load<unit_elements<T>>(call.from[0], i + u * stride);
            theirs[u] = load<unit_elements<T>>(call.from[1], i + u * stride);
        }
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) {
            store<unit_elements<T>>(call.to, i + u * stride, sum_of_pair<T>(own[u], theirs[u]));
        }
    }
    if constexpr (Unroll > 1) {
        for (; i < vectors; i += stride) {
            store<unit_elements<T>>(
                call.to, i,
                sum_of_pair<T>(load<unit_elements<T>>(call.from[0], i), load<unit_elements<T>>(call.from[1], i)));
        }
    }
}

/// Elements [0, done) by whole vectors.
template <class T, class Op>
BLINK_DEVICE_CODE inline void combine_wide(const grid_group& group, std::uint32_t done, const combine_call<T>& call,
                                           const chunk_io<T>& io, const Op& op) {
    constexpr int width = full_width<T>;
    if constexpr (sums_pairs<Op, T>) {
        if (call.ranks == 2) {
            return call.deep ? sum_pairs<4>(group, done / width, call) : sum_pairs<1>(group, done / width, call);
        }
    }
    if (call.deep) {
        combine_range<width, unroll_of<T, Op>>(group, 0, done, io, op, call.ranks);
    } else {
        combine_range<width, 1>(group, 0, done, io, op, call.ranks);
    }
}

template <class T, class Op>
__global__ void __launch_bounds__(block_threads, 2) // finds room beside a block of the tree kernel
    combine_kernel(const __grid_constant__ combine_call<T> call, const __grid_constant__ Op op) {
    const grid_group group{static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
                           static_cast<int>(gridDim.x * blockDim.x)};
    chunk_io<T> io{};
    io.own = call.from[0];
    io.contributor = no_contributor;
    io.sources = call.from + 1;
    io.children = call.ranks - 1;
    io.slot = call.to;
    io.targets = 1;
    constexpr int width = full_width<T>;
    std::uint32_t done = 0;
    if constexpr (width > 1) {
        if (call.wide) {
            done = call.count / width * width;
            combine_wide(group, done, call, io, op);
        }
    }
    combine_range<1, 1>(group, done, call.count, io, op, call.ranks);
}

/// Loads its code on the current device, which may have to wait for kernels that run.
template <class T, class Op>
void load_combine() {
    cudaFuncAttributes ignored{};
    check(cudaFuncGetAttributes(&ignored, combine_kernel<T, Op>), "cudaFuncGetAttributes");
}

/// Enqueues it on the current device: the contributions `from` all ranks, combined `to`.
/// @param most_blocks 0: as many as make the GPU's memory busy
template <class T, class Op>
void launch_combine(const void* const* from, int ranks, T* to, std::size_t count, const Op& op, int most_blocks,
                    cudaStream_t stream) {
    constexpr std::size_t few = 32; // blocks; more of them combine faster than a link brings what they combine
    combine_call<T> call{{}, to, static_cast<std::uint32_t>(count), ranks, aligned(to), false};
    for (int r = 0; r < ranks; ++r) {
        call.from[r] = static_cast<const T*>(from[r]);
        call.wide = call.wide && aligned(from[r]);
    }
    constexpr std::size_t per_block = std::size_t{block_threads} * full_width<T> * 2;
    constexpr std::size_t enough = 528; // four for each multiprocessor of an H100
    const std::size_t most = most_blocks > 0 ? static_cast<std::size_t>(most_blocks) : enough;
    const auto blocks = static_cast<unsigned>(std::min(most, (count + per_block - 1) / per_block));
    call.deep = blocks <= few;
    combine_kernel<<<blocks, block_threads, 0, stream>>>(call, op);
    check(cudaGetLastError(), "launch of a reduction's kernel");
}

} // namespace blink::cuda
