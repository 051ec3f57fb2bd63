// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs a schedule on threads over shared memory.
///
/// Every lane is cut into chunks. A worker takes the next chunk up its tree and down again while it is in the cache,
/// so an input is read from memory once and an output written once; the other workers take other chunks meanwhile.
/// The order in which contributions are combined is that of the tree, whatever the workers do: same bits every time.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/host/chunk_queue.hpp>
#include <blink/execute/host/combine.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/worker_pool.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace blink::host {

/// Runs a compiled schedule with the workers of `pool`; returns when every output is written.
///
/// Buffers that the collective does not touch may be null. The operator is called from several threads at once, and
/// threads cannot be stopped inside it: the deadline is looked at after each rank's step on a chunk.
/// @param in, out buffers of `count` elements by rank, in place or apart; `in` of a reduce_scatter and `out` of an
///        allgather hold `count` elements for each rank
/// @param op reduction operator; `no_operator` for a broadcast
/// @throw usage_error before anything moves: see `check_buffers`; or what the operator's `check` throws
/// @throw timeout_error, aborted_error, or what the operator throws; the outputs are then undefined
template <element T, collective_operator<T> Op>
void execute(worker_pool& pool, const compiled_schedule& compiled, std::span<const T* const> in,
             std::span<T* const> out, std::size_t count, const Op& op, const execute_options& options = {}) {
    const schedule& s = compiled.schedule;
    check_buffers(s.kind, s.root, s.ranks, {in.begin(), in.end()}, {out.begin(), out.end()}, count, sizeof(T),
                  alignof(T));
    if (reduces(s.kind) && std::same_as<Op, no_operator>) {
        throw usage_error(std::string(to_string(s.kind)) + ": an operator is needed");
    }
    check_operator(op, s.ranks);
    if (count == 0) { return; }

    detail::chunk_queue queue(compiled, count, sizeof(T), options);
    const auto take = [&](const lane_chunk& c, std::byte* scratch, detail::chunk_queue::clock::time_point start) {
        const compiled_lane& steps = compiled.lanes[c.lane];
        const lane_offset offset = offset_of(s, s.lanes[c.lane], count);
        const auto writable = [&](place p) -> T* {
            const auto i = static_cast<std::size_t>(p.index);
            return p.in == place::kind::output ? out[i] + c.begin + offset.out
                                               : reinterpret_cast<T*>(scratch) + i * c.capacity;
        };
        const auto readable = [&](place p) -> const T* {
            return p.in == place::kind::input ? in[static_cast<std::size_t>(p.index)] + c.begin + offset.in
                                              : writable(p);
        };
        if constexpr (reduction_operator<Op, T>) {
            std::vector<operand<T>> operands;
            for (const combine_step& step : steps.up) {
                operands.clear();
                for (const place& p : step.operands) {
                    operands.push_back({readable(p), p.in == place::kind::input ? p.index : no_contributor});
                }
                if (step.to.in == place::kind::output) {
                    combine<true>(writable(step.to), operands, c.count, op, s.ranks);
                } else {
                    combine<false>(writable(step.to), operands, c.count, op, s.ranks);
                }
                queue.check_deadline(c, step.rank, start);
            }
        }
        for (const copy_step& step : steps.down) {
            T* const to = writable(step.to);
            const T* const from = readable(step.from);
            if (to != from) { std::memcpy(static_cast<void*>(to), from, c.count * sizeof(T)); }
        }
    };
    const auto start = std::chrono::steady_clock::now();
    queue.run(pool, take);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    chunk_choice(options.chunk).observe(count * sizeof(T), seconds.count());
}

/// Compiles and runs a schedule once, with threads of its own.
/// @throw schedule_error before anything moves, for a schedule that would lose data or wait for ever: see `compile`
template <element T, collective_operator<T> Op>
void execute(const schedule& s, std::span<const T* const> in, std::span<T* const> out, std::size_t count, const Op& op,
             const execute_options& options = {}) {
    const compiled_schedule compiled = compile(s);
    worker_pool pool(options.threads);
    execute(pool, compiled, in, out, count, op, options);
}

} // namespace blink::host
