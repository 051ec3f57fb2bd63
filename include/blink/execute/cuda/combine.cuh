// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The arithmetic of a hop: one chunk of own elements, combined with those of the children, stored to every target.
#pragma once

#include <blink/core/operators.hpp>
#include <blink/execute/cuda/sync.cuh>
#include <blink/execute/cuda/vector.cuh>

#include <cstddef>

namespace blink::cuda {

/// The operator of a hop that only copies.
struct first_of_two {
    template <class T>
    __device__ T operator()(const T& a, const T&) const {
        return a;
    }
};

/// Where a chunk comes from and where it goes; all pointers at the chunk's first element.
template <class T>
struct chunk_io {
    const T* own;
    const std::byte* slots; ///< partial result of the first child
    std::size_t next_child; ///< bytes from one child's slot to the next child's
    int children;
    T* slot;           ///< the only target, where it is not null; else
    T* const* outputs; ///< outputs, to be taken at `output_offset` elements
    std::size_t output_offset;
    int targets;

    [[nodiscard]] __device__ const T* child(int i) const {
        return reinterpret_cast<const T*>(slots + static_cast<std::size_t>(i) * next_child);
    }
    [[nodiscard]] __device__ T* target(int i) const { return slot != nullptr ? slot : outputs[i] + output_offset; }
};

/// Elements [from, to) of a chunk, `Width` at a time; both are multiples of `Width`. Four accesses of a thread are
/// in flight at once.
/// @param finish_ranks 0, or the number of ranks where the total is complete and the operator may finish it
template <int Width, class T, class Op>
__device__ inline void combine_range(const thread_group& group, std::size_t from, std::size_t to, const chunk_io<T>& io,
                                     const Op& op, int finish_ranks) {
    constexpr int unroll = 4;
    const auto stride = static_cast<std::size_t>(group.threads);
    const std::size_t end = to / Width;
    for (std::size_t first = from / Width + static_cast<std::size_t>(group.thread); first < end;
         first += stride * unroll) {
        vector<T, Width> total[unroll];
#pragma unroll
        for (int u = 0; u < unroll; ++u) {
            if (first + u * stride < end) { total[u] = load<Width>(io.own, first + u * stride); }
        }
        for (int c = 0; c < io.children; ++c) {
            vector<T, Width> partial[unroll];
#pragma unroll
            for (int u = 0; u < unroll; ++u) {
                if (first + u * stride < end) { partial[u] = load<Width>(io.child(c), first + u * stride); }
            }
#pragma unroll
            for (int u = 0; u < unroll; ++u) {
                if (first + u * stride < end) { combine(op, total[u], partial[u]); }
            }
        }
        if constexpr (finishing_operator<Op, T>) {
            if (finish_ranks > 0) {
#pragma unroll
                for (int u = 0; u < unroll; ++u) {
                    if (first + u * stride >= end) { continue; }
#pragma unroll
                    for (int i = 0; i < Width; ++i) { total[u].v[i] = finish(op, total[u].v[i], finish_ranks); }
                }
            }
        }
        for (int t = 0; t < io.targets; ++t) {
#pragma unroll
            for (int u = 0; u < unroll; ++u) {
                if (first + u * stride < end) { store<Width>(io.target(t), first + u * stride, total[u]); }
            }
        }
    }
}

/// A chunk of `n` elements. `wide`: every pointer is 16-byte aligned.
template <class T, class Op>
__device__ inline void combine_chunk(const thread_group& group, std::size_t n, const chunk_io<T>& io, bool wide,
                                     const Op& op, int finish_ranks) {
    constexpr int width = full_width<T>;
    std::size_t done = 0;
    if constexpr (width > 1) {
        if (wide) {
            done = n / width * width;
            combine_range<width>(group, 0, done, io, op, finish_ranks);
        }
    }
    combine_range<1>(group, done, n, io, op, finish_ranks);
}

} // namespace blink::cuda
