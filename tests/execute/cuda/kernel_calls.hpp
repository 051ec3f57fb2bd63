// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls of the kernels' block program on the host: the memory of a group, buffers, and the judgement of a result.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/shape.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "thread_machine.hpp"

namespace kernel_test {

using namespace blink;
using namespace blink::cuda;

inline constexpr int threads_per_block = 64;

/// The memory of a group of ranks and relay stops, as `cuda_group` keeps it on GPUs.
struct memory {
    static constexpr std::size_t slot_bytes = 256 << 10;

    explicit memory(int participants)
        : flags(static_cast<std::size_t>(participants), std::vector<block_flags>(max_blocks)),
          slots(static_cast<std::size_t>(participants), std::vector<double>(slot_bytes / sizeof(double))) {}

    std::vector<std::vector<block_flags>> flags;
    std::vector<std::vector<double>> slots;
    std::uint64_t words[1 + max_ranks] = {};
};

/// Buffers of one call: inputs, poisoned outputs, apart or in place, off their alignment by `offset` elements.
template <class T>
struct buffers {
    /// Random whole numbers.
    buffers(std::mt19937& random, const schedule& s, std::size_t count, bool in_place, std::size_t offset)
        : buffers([&random](std::size_t, std::size_t) { return static_cast<T>(random() % 1000); }, s, count, in_place,
                  offset) {}

    /// @param make `make(rank, i)` is element i of a rank
    template <class Make>
    buffers(const Make& make, const schedule& s, std::size_t count, bool in_place, std::size_t offset) {
        const auto n = static_cast<std::size_t>(s.ranks);
        const std::size_t in_count = input_count(s.kind, s.ranks, count);
        const std::size_t out_count = output_count(s.kind, s.ranks, count);
        for (std::size_t r = 0; r < n; ++r) {
            original.emplace_back(in_count);
            for (std::size_t i = 0; i < in_count; ++i) { original.back()[i] = make(r, i); }
            memory.emplace_back(in_count + offset);
            memory.emplace_back(out_count + offset);
            for (auto m = memory.end() - 2; m != memory.end(); ++m) {
                if (!m->empty()) { std::memset(m->data(), 0xC5, m->size() * sizeof(T)); }
            }
        }
        for (std::size_t r = 0; r < n; ++r) {
            T* from = memory[2 * r].data() + offset;
            T* to = memory[2 * r + 1].data() + offset;
            if (in_place && in_count > out_count) {
                to = from + r * count;
            } else if (in_place) {
                from = out_count > in_count ? to + r * count : to;
            }
            std::ranges::copy(original[r], from);
            in.push_back(from);
            out.push_back(to);
        }
    }

    std::vector<std::vector<T>> original, memory;
    std::vector<const T*> in;
    std::vector<T*> out;
};

template <class T>
tree_call<T> make_call(const schedule& s, memory& m, buffers<T>& b, const call_shape& shape) {
    tree_call<T> call = prepare_call<T>(s, shape, b.in, b.out);
    for (std::size_t r = 0; r < m.flags.size(); ++r) {
        call.flags[r] = m.flags[r].data();
        call.slots[r] = reinterpret_cast<std::byte*>(m.slots[r].data());
    }
    call.participants = static_cast<std::uint8_t>(m.flags.size());
    call.abort = m.words;
    call.faults = m.words + 1;
    call.timeout_ns = 100'000'000'000;
    return call;
}

/// The size that kernels are told anew for each call, where a search decides: any whole grains that a slot holds.
inline std::uint32_t drawn_chunk(std::mt19937& random, const call_shape& shape) {
    return shape.grain * (1 + static_cast<std::uint32_t>(random()) % (shape.chunk_elements / shape.grain));
}

/// The call as a process sees it that drives `rank` alone: without the buffers of the others.
template <class T>
tree_call<T> seen_by(tree_call<T> call, int rank) {
    for (int r = 0; r < max_ranks; ++r) {
        if (r == rank) { continue; }
        call.in[r] = nullptr;
        call.out[r] = nullptr;
    }
    return call;
}

/// One participant enters a call, as the kernel on its GPU does.
/// @param s the schedule of all participants
template <bool Pulled = false, class T, class Op = sum>
void enter(tree_call<T> call, const schedule& s, int participant, int blocks, const Op& op = {}) {
    call.local_ranks[0] = static_cast<std::uint8_t>(participant);
    run_kernel<Pulled>(call, to_runtime_schedule(s), op, blocks, 1, threads_per_block);
}

/// Holds every element of every output against the exact result.
template <class T>
void check_result(const schedule& s, const buffers<T>& b, std::size_t count) {
    const auto total = [&](std::size_t i) {
        T sum{};
        for (const auto& contribution : b.original) { sum = static_cast<T>(sum + contribution[i]); }
        return sum;
    };
    for (int r = 0; r < s.ranks; ++r) {
        if (!writes_output(s.kind, s.root, r)) { continue; }
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < output_count(s.kind, s.ranks, count); ++i) {
            const auto rank = static_cast<std::size_t>(r);
            const T expected = s.kind == collective::broadcast        ? b.original[static_cast<std::size_t>(s.root)][i]
                               : s.kind == collective::allgather      ? b.original[i / count][i % count]
                               : s.kind == collective::reduce_scatter ? total(rank * count + i)
                                                                      : total(i);
            if (b.out[rank][i] != expected) { ++wrong; }
        }
        CAPTURE(r);
        CHECK(wrong == 0);
    }
}

} // namespace kernel_test
