// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The chunks of one collective, and how workers share them out; knows nothing of types and operators.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/worker_pool.hpp>
#include <blink/schedule/chunk.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
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

/// Elements [begin, begin + count) of the data, which go through one lane at once.
struct lane_chunk {
    std::size_t lane = 0;
    std::size_t index = 0; ///< in the lane
    std::size_t begin = 0;
    std::size_t count = 0;
    std::size_t capacity = 0; ///< elements of the largest chunk of the lane: what a scratch slot holds
};

namespace detail {

/// Bytes of a chunk such that inputs, outputs and partial results of all ranks stay in half a megabyte of cache.
[[nodiscard]] constexpr std::size_t automatic_chunk_bytes(int ranks) noexcept {
    return std::clamp(256_KiB / static_cast<std::size_t>(ranks), 4_KiB, 32_KiB);
}

/// A worker is woken for this much traffic; less is done sooner than a thread wakes up.
inline constexpr std::size_t bytes_a_worker = 256_KiB;

/// One call: its chunks, taken in order by whoever is free, and the first thing that went wrong.
class chunk_queue {
  public:
    using clock = std::chrono::steady_clock;
    /// Takes a chunk through its lane. The scratch memory holds the slots of the lane, and belongs to the worker.
    using body = std::function<void(const lane_chunk&, std::byte* scratch, clock::time_point start)>;

    chunk_queue(const compiled_schedule& compiled, std::size_t count, std::size_t element_bytes,
                const execute_options& options)
        : schedule_(compiled.schedule), options_(options), bytes_(count * element_bytes) {
        const auto ranges = split(schedule_, count, std::max<std::size_t>(1, 64 / element_bytes));
        for (std::size_t i = 0; i < ranges.size(); ++i) {
            if (ranges[i].size() == 0) { continue; }
            const std::size_t bytes = options.chunk.is_automatic()
                                          ? automatic_chunk_bytes(schedule_.ranks)
                                          : options.chunk.chunk_bytes(ranges[i].size() * element_bytes);
            const std::size_t chunk = std::clamp<std::size_t>(bytes / element_bytes, 1, ranges[i].size());
            items_ += (ranges[i].size() + chunk - 1) / chunk;
            cuts_.push_back({i, ranges[i], chunk, items_});
            const auto slots = static_cast<std::size_t>(compiled.lanes[i].slots);
            scratch_bytes_ = std::max(scratch_bytes_, slots * chunk * element_bytes);
        }
    }

    /// Calls `take` once for every chunk, from as many workers as that pays for; returns when all have ended.
    /// @throw what `take` threw first, or aborted_error
    void run(worker_pool& pool, const body& take) {
        const std::size_t traffic = bytes_ * static_cast<std::size_t>(schedule_.ranks);
        const std::size_t useful = std::min(items_, 1 + traffic / bytes_a_worker);
        const int workers = static_cast<int>(std::min(useful, static_cast<std::size_t>(pool.size())));
        std::vector<std::byte*> scratch;
        for (int w = 0; w < workers; ++w) { scratch.push_back(pool.scratch(w, scratch_bytes_)); }
        pool.run(workers, [&](int w) { work(take, scratch[static_cast<std::size_t>(w)]); });
        if (error_) { std::rethrow_exception(error_); }
    }

    /// @throw timeout_error naming rank, lane and chunk, if the chunk begun at `start` is not done in time
    void check_deadline(const lane_chunk& c, int rank, clock::time_point start) const {
        const auto taken = clock::now() - start;
        if (taken <= options_.timeout) { return; }
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(taken).count();
        throw timeout_error(std::string(to_string(schedule_.kind)) + ": rank " + std::to_string(rank) + ", lane " +
                            std::to_string(c.lane) + ", chunk " + std::to_string(c.index) + " took " +
                            std::to_string(ms) + " ms; " + std::to_string(options_.timeout.count()) +
                            " ms are allowed");
    }

  private:
    struct cut {
        std::size_t lane = 0;
        element_range range;
        std::size_t chunk = 1;
        std::size_t last_item = 0; ///< items of the call up to the end of this lane
    };

    void work(const body& take, std::byte* scratch) noexcept {
        try {
            std::size_t first_item = 0;
            auto at = cuts_.begin();
            while (!stopped_.load(std::memory_order_relaxed)) {
                const std::size_t item = next_.fetch_add(1, std::memory_order_relaxed);
                if (item >= items_) { return; }
                if (options_.abort != nullptr && options_.abort->load(std::memory_order_relaxed)) {
                    throw aborted_error(std::string(to_string(schedule_.kind)) + ": aborted");
                }
                for (; item >= at->last_item; ++at) { first_item = at->last_item; }
                const std::size_t index = item - first_item;
                const std::size_t begin = at->range.begin + index * at->chunk;
                take({at->lane, index, begin, std::min(at->chunk, at->range.end - begin), at->chunk}, scratch,
                     clock::now());
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!error_) { error_ = std::current_exception(); }
            stopped_.store(true, std::memory_order_relaxed);
        }
    }

    const schedule& schedule_;
    const execute_options& options_;
    std::size_t bytes_ = 0;
    std::vector<cut> cuts_;
    std::size_t items_ = 0;
    std::size_t scratch_bytes_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> stopped_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

} // namespace detail
} // namespace blink::host
