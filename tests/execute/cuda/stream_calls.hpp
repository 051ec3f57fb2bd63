// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls in cells of the kernels' block program on the host: rings in the memory of each rank, and their flags.
#pragma once

#include <blink/execute/cuda/stream_block.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "kernel_calls.hpp"

namespace kernel_test {

/// Rings and flags of a group of ranks.
struct stream_memory_of {
    explicit stream_memory_of(int ranks)
        : flags(static_cast<std::size_t>(ranks), std::vector<stream_flags>(stream_max_blocks)),
          rings(static_cast<std::size_t>(ranks),
                std::vector<cell>(stream_memory(ranks, thread_machine::team_threads) / sizeof(cell))) {
        for (auto& r : rings) { std::memset(static_cast<void*>(r.data()), filler_byte, r.size() * sizeof(cell)); }
    }

    std::vector<std::vector<stream_flags>> flags;
    std::vector<std::vector<cell>> rings;
    std::uint64_t words[1 + max_ranks] = {};
};

/// A shape for the few threads of blocks on the host.
template <class T>
[[nodiscard]] std::optional<call_shape> stream_shape(const schedule& s, std::size_t count, int most_blocks) {
    auto shape = make_stream_shape(s, count, sizeof(T), unit_elements<T>, most_blocks);
    if (shape) { shape->threads = threads_per_block; }
    return shape;
}

template <class T>
stream_call<T> make_call(const schedule& s, stream_memory_of& m, buffers<T>& b, const call_shape& shape) {
    stream_call<T> call{};
    fill_frame<T>(call, s, shape, b.in, b.out);
    for (std::size_t r = 0; r < m.flags.size(); ++r) {
        call.flags[r] = m.flags[r].data();
        call.rings[r] = reinterpret_cast<std::byte*>(m.rings[r].data());
    }
    lay_streams(call, shape, thread_machine::team_threads);
    call.abort = m.words;
    call.faults = m.words + 1;
    call.timeout_ns = 100'000'000'000;
    return call;
}

/// What a thread does in a call, over the trees of `form` or, without them, from each rank to each other.
template <class Machine, class T, class Op = sum>
void run_stream(const Machine& machine, const stream_call<T>& call, const runtime_schedule& form, bool trees,
                const Op& op = {}) {
    if (trees) {
        stream_block<false>(machine, call, form, op);
    } else {
        stream_block<true>(machine, call, form, op);
    }
}

/// One rank enters a call.
template <class T, class Op = sum>
void enter_stream(stream_call<T> call, const schedule& s, bool trees, int rank, int blocks, const Op& op = {}) {
    call.local_ranks[0] = static_cast<std::uint8_t>(rank);
    const runtime_schedule form = to_runtime_schedule(s);
    run_blocks(blocks, 1, threads_per_block,
               [&](const thread_machine& machine, const block_state&) { run_stream(machine, call, form, trees, op); });
}

/// What a call without trees has as its schedule.
inline schedule one_lane(int ranks) {
    return {collective::allreduce, ranks, 0, {lane{0, 1.0, std::vector<role>(static_cast<std::size_t>(ranks))}}};
}

} // namespace kernel_test
