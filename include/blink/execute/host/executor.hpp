// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs a schedule on threads over shared memory.
///
/// Every lane is cut into chunks. A worker takes the next chunk up its tree and down again while it is in the cache,
/// so an input is read from memory once and an output written once; the other workers take other chunks meanwhile.
/// The order in which contributions are combined is that of the tree, whatever the workers do: same bits every time.
#pragma once

#include <blink/core/operators.hpp>
#include <blink/execute/host/buffers.hpp>
#include <blink/execute/host/combine.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/worker_pool.hpp>
#include <blink/schedule/chunk.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace blink::host {

/// How to run, not what.
struct execute_options {
    chunk_choice chunk{};                      ///< automatic: so that the chunk of all ranks stays in a cache
    std::chrono::milliseconds timeout{10'000}; ///< a rank whose chunk is not done by then ends the collective
    int threads = 0;                           ///< of the pool that a call without one makes; 0: the hardware's
    const std::atomic<bool>* abort = nullptr;  ///< when it becomes true, all workers end soon
};

namespace detail {

/// Bytes of a chunk such that inputs, outputs and partial results of all ranks stay in half a megabyte of cache.
[[nodiscard]] constexpr std::size_t automatic_chunk_bytes(int ranks) noexcept {
    return std::clamp(256_KiB / static_cast<std::size_t>(ranks), 4_KiB, 32_KiB);
}

/// A worker is woken for this much traffic; less is done sooner than a thread wakes up.
inline constexpr std::size_t bytes_a_worker = 256_KiB;

/// One call: what all its workers share.
template <class T, class Op>
class execution {
  public:
    execution(const compiled_schedule& p, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
              const Op& op, const execute_options& options)
        : compiled_(p), in_(in), out_(out), op_(op), options_(options) {
        const auto ranges = split(p.schedule, count, std::max<std::size_t>(1, 64 / sizeof(T)));
        for (std::size_t i = 0; i < ranges.size(); ++i) {
            if (ranges[i].size() == 0) { continue; }
            const std::size_t lane_bytes = ranges[i].size() * sizeof(T);
            const std::size_t bytes = options.chunk.is_automatic() ? automatic_chunk_bytes(p.schedule.ranks)
                                                                   : options.chunk.chunk_bytes(lane_bytes);
            const std::size_t chunk = std::clamp<std::size_t>(bytes / sizeof(T), 1, ranges[i].size());
            const std::size_t chunks = (ranges[i].size() + chunk - 1) / chunk;
            cuts_.push_back({i, ranges[i], chunk, items_, items_ + chunks});
            items_ += chunks;
            scratch_bytes_ = std::max(scratch_bytes_, static_cast<std::size_t>(p.lanes[i].slots) * chunk * sizeof(T));
        }
    }

    /// @throw what the operator threw, timeout_error, aborted_error
    void run(worker_pool& pool, std::size_t traffic) {
        const std::size_t useful = std::min(items_, 1 + traffic / bytes_a_worker);
        const int workers = static_cast<int>(std::min(useful, static_cast<std::size_t>(pool.size())));
        std::vector<std::byte*> scratch;
        for (int w = 0; w < workers; ++w) { scratch.push_back(pool.scratch(w, scratch_bytes_)); }
        pool.run(workers, [&](int worker) { work(reinterpret_cast<T*>(scratch[static_cast<std::size_t>(worker)])); });
        if (error_) { std::rethrow_exception(error_); }
    }

  private:
    using clock = std::chrono::steady_clock;

    /// The chunks of a lane; they are the items first_item .. last_item-1 of the call.
    struct cut {
        std::size_t lane = 0;
        element_range range;
        std::size_t chunk = 1;
        std::size_t first_item = 0;
        std::size_t last_item = 0;
    };

    void work(T* scratch) noexcept {
        try {
            std::vector<const T*> operands;
            auto at = cuts_.begin();
            for (std::size_t item = next_.fetch_add(1, std::memory_order_relaxed); item < items_;
                 item = next_.fetch_add(1, std::memory_order_relaxed)) {
                if (stopped_.load(std::memory_order_relaxed)) { return; }
                if (options_.abort != nullptr && options_.abort->load(std::memory_order_relaxed)) {
                    throw aborted_error(std::string(to_string(compiled_.schedule.kind)) + ": aborted");
                }
                while (item >= at->last_item) { ++at; }
                run_chunk(*at, item - at->first_item, scratch, operands);
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!error_) { error_ = std::current_exception(); }
            stopped_.store(true, std::memory_order_relaxed);
        }
    }

    void run_chunk(const cut& c, std::size_t index, T* scratch, std::vector<const T*>& operands) {
        const clock::time_point start = clock::now();
        const compiled_lane& steps = compiled_.lanes[c.lane];
        const std::size_t begin = c.range.begin + index * c.chunk;
        const std::size_t count = std::min(c.chunk, c.range.end - begin);
        const auto readable = [&](place p) -> const T* {
            const auto i = static_cast<std::size_t>(p.index);
            if (p.in == place::kind::input) { return in_[i] + begin; }
            return p.in == place::kind::output ? out_[i] + begin : scratch + i * c.chunk;
        };
        const auto writable = [&](place p) -> T* {
            const auto i = static_cast<std::size_t>(p.index);
            return p.in == place::kind::output ? out_[i] + begin : scratch + i * c.chunk;
        };
        if constexpr (reduction_operator<Op, T>) {
            for (const combine_step& step : steps.up) {
                operands.clear();
                for (const place& p : step.operands) { operands.push_back(readable(p)); }
                const std::span<const T* const> from(operands);
                if (step.to.in == place::kind::output) {
                    combine<true>(writable(step.to), from, count, op_, compiled_.schedule.ranks);
                } else {
                    combine<false>(writable(step.to), from, count, op_, compiled_.schedule.ranks);
                }
                check_deadline(start, step.rank, c.lane, index);
            }
        }
        for (const copy_step& step : steps.down) {
            T* const to = writable(step.to);
            const T* const from = readable(step.from);
            if (to != from) { std::memcpy(static_cast<void*>(to), from, count * sizeof(T)); }
        }
    }

    void check_deadline(clock::time_point start, int rank, std::size_t lane, std::size_t chunk) const {
        const auto waited = clock::now() - start;
        if (waited <= options_.timeout) { return; }
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
        throw timeout_error(std::string(to_string(compiled_.schedule.kind)) + ": rank " + std::to_string(rank) +
                            ", lane " + std::to_string(lane) + ", chunk " + std::to_string(chunk) + " took " +
                            std::to_string(ms) + " ms; " + std::to_string(options_.timeout.count()) +
                            " ms are allowed");
    }

    const compiled_schedule& compiled_;
    std::span<const T* const> in_;
    std::span<T* const> out_;
    const Op& op_;
    const execute_options& options_;
    std::vector<cut> cuts_;
    std::size_t items_ = 0;
    std::size_t scratch_bytes_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> stopped_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

} // namespace detail

/// Runs a compiled schedule with the workers of `pool`; returns when every output is written.
///
/// Buffers that the collective does not touch may be null. The operator is called from several threads at once, and
/// threads cannot be stopped inside it: the deadline is looked at after each rank's step on a chunk.
/// @param in, out buffers of `count` elements by rank, in place or apart
/// @param op reduction operator; `no_operator` for a broadcast
/// @throw usage_error before anything moves: see `check_buffers`
/// @throw timeout_error, aborted_error, or what the operator throws; the outputs are then undefined
template <element T, class Op>
void execute(worker_pool& pool, const compiled_schedule& p, std::span<const T* const> in, std::span<T* const> out,
             std::size_t count, const Op& op, const execute_options& options = {}) {
    static_assert(reduction_operator<Op, T> || std::is_same_v<Op, no_operator>,
                  "the operator must be callable as T op(const T&, const T&)");
    const blink::schedule& s = p.schedule;
    check_buffers(s.kind, s.root, s.ranks, in, out, count, sizeof(T), alignof(T));
    if constexpr (!reduction_operator<Op, T>) {
        if (reduces(s.kind)) { throw usage_error(std::string(to_string(s.kind)) + ": an operator is needed"); }
    }
    if (count == 0) { return; }
    const auto start = std::chrono::steady_clock::now();
    detail::execution<T, Op>(p, in, out, count, op, options)
        .run(pool, count * sizeof(T) * static_cast<std::size_t>(s.ranks));
    if (!options.chunk.is_automatic()) {
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        chunk_choice(options.chunk).observe(count * sizeof(T), seconds.count());
    }
}

/// Compiles and runs a schedule once, with threads of its own.
/// @throw schedule_error before anything moves, for a schedule that would lose data or wait for ever: see `compile`
template <element T, class Op>
void execute(const schedule& s, std::span<const T* const> in, std::span<T* const> out, std::size_t count, const Op& op,
             const execute_options& options = {}) {
    const compiled_schedule p = compile(s);
    worker_pool pool(options.threads);
    execute(pool, p, in, out, count, op, options);
}

} // namespace blink::host
