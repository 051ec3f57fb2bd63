// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the members of `chunk_queue`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/host/chunk_queue.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/worker_pool.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

namespace blink::host::detail {

/// Bytes of a chunk such that inputs, outputs and partial results of all ranks stay in half a megabyte of cache.
[[nodiscard]] constexpr std::size_t automatic_chunk_bytes(int ranks) noexcept {
    return std::clamp(256_KiB / static_cast<std::size_t>(ranks), 4_KiB, 32_KiB);
}

/// A worker is woken for this much traffic; less is done sooner than a thread wakes up.
inline constexpr std::size_t bytes_a_worker = 256_KiB;

BLINK_INLINE chunk_queue::chunk_queue(const compiled_schedule& compiled, std::size_t count, std::size_t element_bytes,
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

BLINK_INLINE void chunk_queue::run(worker_pool& pool, const body& take) {
    const std::size_t traffic = bytes_ * static_cast<std::size_t>(schedule_.ranks);
    const std::size_t useful = std::min(items_, 1 + traffic / bytes_a_worker);
    const int workers = static_cast<int>(std::min(useful, static_cast<std::size_t>(pool.size())));
    std::vector<std::byte*> scratch;
    for (int w = 0; w < workers; ++w) { scratch.push_back(pool.scratch(w, scratch_bytes_)); }
    pool.run(workers, [&](int w) { work(take, scratch[static_cast<std::size_t>(w)]); });
    if (error_) { std::rethrow_exception(error_); }
}

BLINK_INLINE void chunk_queue::check_deadline(const lane_chunk& c, int rank, clock::time_point start) const {
    const auto taken = clock::now() - start;
    if (taken <= options_.timeout) { return; }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(taken).count();
    throw timeout_error(std::string(to_string(schedule_.kind)) + ": rank " + std::to_string(rank) + ", lane " +
                        std::to_string(c.lane) + ", chunk " + std::to_string(c.index) + " took " + std::to_string(ms) +
                        " ms; " + std::to_string(options_.timeout.count()) + " ms are allowed");
}

BLINK_INLINE void chunk_queue::work(const body& take, std::byte* scratch) noexcept {
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

} // namespace blink::host::detail
