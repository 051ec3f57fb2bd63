// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a call's type and operator, which are numbers, to the kernel for both. The kernels are spread over files by
/// their types, so that none compiles too long.
#pragma once

#include <blink/communicator/cuda_group.cuh>
#include <blink/communicator/process_group.cuh>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "calls.hpp"
#include "operators.cuh"

namespace blink::preload {

[[nodiscard]] inline cudaStream_t to_cuda(nccl::stream* s) { return reinterpret_cast<cudaStream_t>(s); }

/// Ranks that a call has no entry for, as they are in other processes.
[[nodiscard]] inline std::size_t first_rank(const cuda_group& /*group*/) { return 0; }
[[nodiscard]] inline std::size_t first_rank(const blink::communicator& own) {
    return static_cast<std::size_t>(own.rank());
}

template <class T, class Op>
void run_as(blink::communicator& own, const matched_call& call, const Op& op) {
    own.run<T, Op>(trees_of(call.kind), call.root, static_cast<const T*>(call.in[0]), static_cast<T*>(call.out[0]),
                   call.count, op, options{}, to_cuda(call.streams[0]));
}

template <class T, class Op>
void run_as(cuda_group& group, const matched_call& call, const Op& op) {
    std::array<const T*, cuda::max_ranks> in{};
    std::array<T*, cuda::max_ranks> out{};
    const std::size_t ranks = call.in.size();
    for (std::size_t r = 0; r < ranks; ++r) {
        in.at(r) = static_cast<const T*>(call.in[r]);
        out.at(r) = static_cast<T*>(call.out[r]);
    }
    group.run<T, Op>(trees_of(call.kind), call.root, std::span<const T* const>(in).first(ranks),
                     std::span<T* const>(out).first(ranks), call.count, op);
}

/// The factors of an operator that the program has made. Each rank multiplies its own contribution, so the factors of
/// ranks in other processes are not needed.
template <class T>
[[nodiscard]] scaled_total<T> with_factors(const matched_call& call, std::size_t first) {
    scaled_total<T> op{};
    for (std::size_t i = 0; i < call.factors.size(); ++i) {
        const premul_factor& f = call.factors[i];
        const std::size_t r = first + i;
        op.on_device[r] = static_cast<const T*>(f.on_device);
        T value;
        std::memcpy(static_cast<void*>(&value), f.value.data(), sizeof value);
        op.value[r] = static_cast<default_accumulator<T>>(value);
    }
    return op;
}

/// The average of narrow numbers, divided before anything is added.
template <class T>
[[nodiscard]] scaled_total<T> divided(std::size_t ranks) {
    scaled_total<T> op{};
    for (std::size_t r = 0; r < ranks; ++r) { op.value[r] = 1.0F / static_cast<float>(ranks); }
    return op;
}

/// @param average how a total becomes an average
/// @param sign_bit of integers that are signed, though `T` is not
/// @throw usage_error for an operator that is unknown; else as the `run` of the group
template <class T, class Group>
void reduce_as(Group& group, const matched_call& call, finishing average, T sign_bit = {}) {
    if (!call.factors.empty()) { return run_as<T>(group, call, with_factors<T>(call, first_rank(group))); }
    switch (call.op) {
    case nccl::sum:
        if constexpr (narrow_float<T>) {
            return run_as<T>(group, call, sum{}); // for which the GPU has instructions
        } else {
            return run_as<T>(group, call, total{finishing::none});
        }
    case nccl::avg:
        if constexpr (narrow_float<T>) {
            return run_as<T>(group, call, divided<T>(static_cast<std::size_t>(group.size())));
        } else {
            return run_as<T>(group, call, total{average});
        }
    case nccl::prod:
        return run_as<T>(group, call, prod{});
    case nccl::min:
        return run_as<T>(group, call, extreme<T>{false, sign_bit});
    case nccl::max:
        return run_as<T>(group, call, extreme<T>{true, sign_bit});
    default:
        throw usage_error("no arithmetic for " + name_of(call.op));
    }
}

/// Runs a call without trees.
/// @throw usage_error where buffers overlap; else as the `run` of the group
void run_exchange(cuda_group& group, const matched_call& call);
void run_exchange(blink::communicator& own, const matched_call& call);

/// Runs a call that reduces.
/// @throw usage_error for a type that is unknown; else as `cuda_group::run`
void reduce_integers(cuda_group& group, const matched_call& call);
void reduce_reals(cuda_group& group, const matched_call& call);
void reduce_narrow(cuda_group& group, const matched_call& call);
void reduce_integers(blink::communicator& own, const matched_call& call);
void reduce_reals(blink::communicator& own, const matched_call& call);
void reduce_narrow(blink::communicator& own, const matched_call& call);

/// Runs any call.
template <class Group>
void run_call(Group& group, const matched_call& call) {
    if (!has_trees(call.kind)) {
        if (call.count > 0 || !call.transfers.empty()) { run_exchange(group, call); }
        return;
    }
    if (!reduces(call.kind)) {
        matched_call bytes = call;
        bytes.count *= size_of(call.type);
        return run_as<std::uint8_t>(group, bytes, no_operator{});
    }
    switch (call.type) {
    case nccl::float16:
    case nccl::bfloat16:
    case nccl::float8e4m3:
    case nccl::float8e5m2:
        return reduce_narrow(group, call);
    case nccl::float32:
    case nccl::float64:
        return reduce_reals(group, call);
    default:
        return reduce_integers(group, call);
    }
}

} // namespace blink::preload
