// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One call of a collective, checked in every element: random inputs, poisoned outputs, red zones on both sides, any
/// misalignment, the same bits on all ranks.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <thrust/count.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/tabulate.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "elements.hpp"

namespace gpu_test {

inline constexpr std::size_t red_zone = 64; ///< elements before and behind every output
inline constexpr unsigned char poison = 0xC5;

template <class T>
struct make_input {
    std::uint64_t seed;
    int rank;
    bool factors;
    __device__ T operator()(std::size_t i) const { return input<T>(seed, rank, i, factors); }
};

/// True where element `i` of `data` is wrong.
template <class T, class Op>
struct is_wrong {
    judge<T, Op> reference;
    const T* data;
    __device__ bool operator()(std::size_t i) const { return !reference.right(data[i], i); }
};

/// True where element `i` is not the input of `root`.
template <class T>
struct is_not_input {
    std::uint64_t seed;
    int root;
    const T* data;
    __device__ bool operator()(std::size_t i) const {
        return !judge<T, blink::sum>::same(data[i], input<T>(seed, root, i, false));
    }
};

/// Writes 1 where the predicate holds. Thrust then counts bytes, so that each predicate costs one small kernel.
template <class Predicate>
__global__ void mark(const Predicate holds, std::uint8_t* marks, std::size_t count) {
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
        marks[i] = holds(i) ? 1 : 0;
    }
}

template <class Predicate>
[[nodiscard]] std::size_t count_where(cudaStream_t stream, std::size_t count, const Predicate& holds) {
    std::uint8_t* marks = nullptr;
    blink::cuda::check(cudaMalloc(&marks, count + 1), "cudaMalloc");
    mark<<<1024, 256, 0, stream>>>(holds, marks, count);
    blink::cuda::check(cudaGetLastError(), "mark");
    const thrust::device_ptr<std::uint8_t> first(marks);
    const auto total =
        thrust::count(thrust::cuda::par.on(stream), first, first + static_cast<std::ptrdiff_t>(count), std::uint8_t{1});
    blink::cuda::check(cudaFree(marks), "cudaFree");
    return static_cast<std::size_t>(total);
}

/// How a trial places and names its buffers.
struct trial_shape {
    std::size_t count = 0;
    std::size_t in_offset = 0;  ///< elements by which inputs are shifted from an aligned address
    std::size_t out_offset = 0; ///< likewise for outputs; the same as `in_offset` in place
    bool in_place = false;
    int root = 0;
    std::uint64_t seed = 1;
};

/// What a trial found.
struct verdict {
    std::size_t wrong = 0;           ///< elements that are not the reference
    std::size_t outside = 0;         ///< bytes written outside the outputs, or into buffers that are not outputs
    std::size_t differing_ranks = 0; ///< ranks whose result has other bits than that of the first

    [[nodiscard]] bool clean() const { return wrong == 0 && outside == 0 && differing_ranks == 0; }
};

/// Buffers and inputs of one call; `launch` may be repeated, `judge` looks at the last result.
/// @tparam Reference what the result is judged by: an operator like `Op`, whose memory any GPU may read
template <class T, class Op, class Reference = Op>
class trial {
  public:
    trial(blink::cuda_group& group, blink::collective kind, const trial_shape& shape, const Op& op = {},
          const Reference& reference = {})
        : group_(group), kind_(kind), shape_(shape), op_(op), reference_(reference),
          out_(group.make_buffers<T>(shape.count + shape.out_offset + 2 * red_zone)),
          in_(group.make_buffers<T>(shape.in_place ? 1 : shape.count + shape.in_offset)) {
        for (int r = 0; r < group_.size(); ++r) {
            outputs_.push_back(out_[r] + red_zone + shape.out_offset);
            inputs_.push_back(shape.in_place ? outputs_.back() : in_[r] + shape.in_offset);
        }
        reset();
    }

    /// Poisons outputs and makes the inputs anew.
    void reset() {
        for (int r = 0; r < group_.size(); ++r) {
            const blink::cuda::device_scope current(group_.device(r));
            const auto i = static_cast<std::size_t>(r);
            blink::cuda::check(cudaMemsetAsync(out_[r], poison, out_.bytes(), group_.stream(r)), "cudaMemsetAsync");
            const thrust::device_ptr<T> first(const_cast<T*>(inputs_[i]));
            thrust::tabulate(
                thrust::cuda::par.on(group_.stream(r)), first, first + static_cast<std::ptrdiff_t>(shape_.count),
                make_input<T>{shape_.seed, r, judge<T, Op>::factors && kind_ != blink::collective::broadcast});
        }
    }

    void launch(const blink::options& choices = {}) {
        group_.run<T>(kind_, shape_.root, inputs_, outputs_, shape_.count, op_, choices);
    }

    template <class Form>
    void launch_static() {
        group_.run_static<Form, T>(kind_, inputs_, outputs_, shape_.count, op_);
    }

    [[nodiscard]] verdict judged() {
        group_.synchronize();
        verdict v;
        std::vector<T> first;
        for (int r = 0; r < group_.size(); ++r) {
            const auto i = static_cast<std::size_t>(r);
            const bool is_output = kind_ != blink::collective::reduce || r == shape_.root;
            const blink::cuda::device_scope current(group_.device(r));
            if (is_output) { v.wrong += wrong_elements(group_.stream(r), outputs_[i]); }
            const std::vector<T> all = out_.read(r);
            v.outside += touched(all, is_output);
            if (!is_output) { continue; }
            const std::vector<T> mine(all.begin() + static_cast<std::ptrdiff_t>(red_zone + shape_.out_offset),
                                      all.begin() +
                                          static_cast<std::ptrdiff_t>(red_zone + shape_.out_offset + shape_.count));
            if (first.empty()) { first = mine; }
            if (std::memcmp(first.data(), mine.data(), mine.size() * sizeof(T)) != 0) { ++v.differing_ranks; }
        }
        return v;
    }

    [[nodiscard]] std::vector<T> result(int rank) const {
        const std::vector<T> all = out_.read(rank);
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(red_zone + shape_.out_offset);
        return {begin, begin + static_cast<std::ptrdiff_t>(shape_.count)};
    }

  private:
    [[nodiscard]] std::size_t wrong_elements(cudaStream_t stream, const T* data) const {
        if (kind_ == blink::collective::broadcast) {
            return count_where(stream, shape_.count, is_not_input<T>{shape_.seed, shape_.root, data});
        }
        return count_where(stream, shape_.count,
                           is_wrong<T, Reference>{{shape_.seed, group_.size(), reference_}, data});
    }

    /// Bytes of the red zones that lost their poison; in place, a buffer that is no output must still hold its input.
    [[nodiscard]] std::size_t touched(const std::vector<T>& all, bool is_output) const {
        const auto* bytes = reinterpret_cast<const unsigned char*>(all.data());
        const std::size_t begin = (red_zone + shape_.out_offset) * sizeof(T);
        const std::size_t end = begin + shape_.count * sizeof(T);
        std::size_t lost = 0;
        for (std::size_t b = 0; b < all.size() * sizeof(T); ++b) {
            const bool inside = b >= begin && b < end;
            if (inside && (is_output || shape_.in_place)) { continue; }
            lost += bytes[b] != poison ? 1U : 0U;
        }
        return lost;
    }

    blink::cuda_group& group_;
    blink::collective kind_;
    trial_shape shape_;
    Op op_;
    Reference reference_;
    blink::rank_buffers<T> out_;
    blink::rank_buffers<T> in_;
    std::vector<T*> outputs_;
    std::vector<const T*> inputs_;
};

} // namespace gpu_test
