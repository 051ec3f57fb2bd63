// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The arithmetic of a hop: one chunk of own elements, combined with those of the children, stored to every target. The
/// sum of all of them is formed in the operator's accumulator and rounded once.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// The operator of a hop that only copies.
struct first_of_two {
    template <class T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T&) const {
        return a;
    }
};

/// Where a chunk comes from and where it goes; all pointers at the chunk's first element.
template <class T>
struct chunk_io {
    const T* own;
    int contributor;           ///< rank whose input `own` is; `no_contributor` where it is only passed on
    const T* const* sources;   ///< where each child's partial result is, to be taken at
    std::size_t source_offset; ///< this many elements
    int children;
    T* slot;           ///< the only target, where it is not null; else
    T* const* outputs; ///< outputs, to be taken at `output_offset` elements
    std::size_t output_offset;
    std::uint32_t staged; ///< bit t: output t is a ring of slots, to be taken at `ring_offset` elements
    std::size_t ring_offset;
    int targets;

    [[nodiscard]] BLINK_DEVICE_CODE const T* child(int i) const { return sources[i] + source_offset; }
    [[nodiscard]] BLINK_DEVICE_CODE T* target(int i) const {
        return slot != nullptr ? slot : outputs[i] + ((staged >> i & 1U) != 0 ? ring_offset : output_offset);
    }
};

/// `Unroll` vectors of a thread, `stride` apart from `first` on: all loads of a source are in flight together.
/// @param finish_ranks 0, or the number of ranks where the total is complete and the operator may finish it
template <int Width, int Unroll, class T, class Op>
BLINK_DEVICE_CODE inline void combine_vectors(std::uint32_t first, std::uint32_t stride, const chunk_io<T>& io,
                                              const Op& op, int finish_ranks) {
    using wide = accumulator_of<Op, T>;
    vector<wide, Width> total[Unroll];
    BLINK_UNROLL
    for (int u = 0; u < Unroll; ++u) { total[u] = converted<wide>(load<Width>(io.own, first + u * stride)); }
    if constexpr (preparing_operator<Op, T>) {
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) {
            BLINK_UNROLL
            for (int i = 0; i < Width; ++i) { total[u].v[i] = prepare(op, total[u].v[i], io.contributor); }
        }
    }
    for (int c = 0; c < io.children; ++c) {
        vector<T, Width> partial[Unroll];
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) { partial[u] = load<Width>(io.child(c), first + u * stride); }
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) { combine(op, total[u], converted<wide>(partial[u])); }
    }
    if constexpr (finishing_operator<Op, T>) {
        if (finish_ranks > 0) {
            BLINK_UNROLL
            for (int u = 0; u < Unroll; ++u) {
                BLINK_UNROLL
                for (int i = 0; i < Width; ++i) { total[u].v[i] = finish(op, total[u].v[i], finish_ranks); }
            }
        }
    }
    vector<T, Width> result[Unroll];
    BLINK_UNROLL
    for (int u = 0; u < Unroll; ++u) { result[u] = converted<T>(total[u]); }
    for (int t = 0; t < io.targets; ++t) {
        BLINK_UNROLL
        for (int u = 0; u < Unroll; ++u) { store<Width>(io.target(t), first + u * stride, result[u]); }
    }
}

/// Vectors that a thread combines together: fewer where they become wider, so that the totals stay in registers.
template <class T, class Op>
inline constexpr int unroll_of = sizeof(accumulator_of<Op, T>) <= sizeof(T)       ? 4
                                 : sizeof(accumulator_of<Op, T>) <= 2 * sizeof(T) ? 2
                                                                                  : 1;

/// Elements [from, to) of a chunk, `Width` at a time; both are multiples of `Width`.
template <int Width, int Unroll, class Group, class T, class Op>
BLINK_DEVICE_CODE inline void combine_range(const Group& group, std::uint32_t from, std::uint32_t to,
                                            const chunk_io<T>& io, const Op& op, int finish_ranks) {
    const auto stride = static_cast<std::uint32_t>(group.threads);
    const std::uint32_t end = to / Width;
    std::uint32_t i = from / Width + static_cast<std::uint32_t>(group.thread);
    for (; i + (Unroll - 1) * stride < end; i += Unroll * stride) {
        combine_vectors<Width, Unroll>(i, stride, io, op, finish_ranks);
    }
    if constexpr (Unroll > 1) {
        for (; i < end; i += stride) { combine_vectors<Width, 1>(i, stride, io, op, finish_ranks); }
    }
}

/// A chunk of `n` elements. What is only passed on keeps its bits, whatever the accumulator.
/// @param wide every pointer is 16-byte aligned
template <class Group, class T, class Op>
BLINK_DEVICE_CODE inline void combine_chunk(const Group& group, std::uint32_t n, const chunk_io<T>& io, bool wide,
                                            const Op& op, int finish_ranks) {
    if constexpr (!keeps_single<Op, T>) {
        const bool prepares = preparing_operator<Op, T> && io.contributor != no_contributor;
        if (io.children == 0 && finish_ranks == 0 && !prepares) {
            return combine_chunk(group, n, io, wide, first_of_two{}, 0);
        }
    }
    constexpr int width = full_width<T>;
    std::uint32_t done = 0;
    if constexpr (width > 1) {
        if (wide) {
            done = n / width * width;
            combine_range<width, unroll_of<T, Op>>(group, 0, done, io, op, finish_ranks);
        }
    }
    combine_range<1, 1>(group, done, n, io, op, finish_ranks);
}

} // namespace blink::cuda
