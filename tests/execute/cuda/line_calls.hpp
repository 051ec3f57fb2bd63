// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Short calls of the kernels' block program on the host: lines in the memory of each rank, and their flags.
#pragma once

#include <blink/execute/cuda/ll_block.hpp>
#include <blink/execute/cuda/packet.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel_calls.hpp"

namespace kernel_test {

/// Rows of lines, or of packets, and flags of a group of ranks.
struct line_memory {
    explicit line_memory(int ranks, bool packets = false)
        : flags(static_cast<std::size_t>(ranks), std::vector<ll_flags>(packet_max_blocks)),
          lines(static_cast<std::size_t>(ranks),
                std::vector<ll_line>((packets ? packet_memory(ranks) : ll_memory(ranks)) / sizeof(ll_line))),
          row_bytes(static_cast<std::uint32_t>(packets ? packet_row_bytes(ranks) : ll_row_lines * sizeof(ll_line))) {}

    std::vector<std::vector<ll_flags>> flags;
    std::vector<std::vector<ll_line>> lines;
    std::uint32_t row_bytes;
    std::uint64_t words[1 + max_ranks] = {};
};

template <class T>
ll_call<T> make_call(const schedule& s, line_memory& m, buffers<T>& b, const call_shape& shape) {
    ll_call<T> call{};
    fill_frame<T>(call, s, shape, b.in, b.out);
    for (std::size_t r = 0; r < m.flags.size(); ++r) {
        call.flags[r] = m.flags[r].data();
        call.rows[r] = reinterpret_cast<std::byte*>(m.lines[r].data());
    }
    call.row_bytes = m.row_bytes;
    call.abort = m.words;
    call.faults = m.words + 1;
    call.timeout_ns = 20'000'000'000;
    return call;
}

/// One rank enters a call, over the trees of `s` or, without them, from each rank to each other.
template <class Wire = line_wire, class T, class Op = sum>
void enter_ll(ll_call<T> call, const schedule& s, bool trees, int rank, int blocks, const Op& op = {}) {
    call.local_ranks[0] = static_cast<std::uint8_t>(rank);
    call.straight = !trees;
    const runtime_schedule form = to_runtime_schedule(s);
    run_blocks(blocks, 1, threads_per_block,
               [&](const thread_machine& machine, const block_state&) { ll_block<Wire>(machine, call, form, op); });
}

/// What a call without trees has as its schedule.
inline schedule one_lane(int ranks) {
    return {collective::allreduce, ranks, 0, {lane{0, 1.0, std::vector<role>(static_cast<std::size_t>(ranks))}}};
}

} // namespace kernel_test
