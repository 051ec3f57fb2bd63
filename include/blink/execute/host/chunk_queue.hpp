// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The chunks of one collective, and how workers share them out; knows nothing of types and operators.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/worker_pool.hpp>
#include <blink/schedule/chunk.hpp>
#include <blink/schedule/schedule.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
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

/// One call: its chunks, taken in order by whoever is free, and the first thing that went wrong.
class chunk_queue {
  public:
    using clock = std::chrono::steady_clock;
    /// Takes a chunk through its lane. The scratch memory holds the slots of the lane, and belongs to the worker.
    using body = std::function<void(const lane_chunk&, std::byte* scratch, clock::time_point start)>;

    BLINK_INLINE chunk_queue(const compiled_schedule& compiled, std::size_t count, std::size_t element_bytes,
                             const execute_options& options);

    /// Calls `take` once for every chunk, from as many workers as that pays for; returns when all have ended.
    /// @throw what `take` threw first, or aborted_error
    BLINK_INLINE void run(worker_pool& pool, const body& take);

    /// @throw timeout_error naming rank, lane and chunk, if the chunk begun at `start` is not done in time
    BLINK_INLINE void check_deadline(const lane_chunk& c, int rank, clock::time_point start) const;

  private:
    struct cut {
        std::size_t lane = 0;
        element_range range;
        std::size_t chunk = 1;
        std::size_t last_item = 0; ///< items of the call up to the end of this lane
    };

    BLINK_INLINE void work(const body& take, std::byte* scratch) noexcept;

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

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/host/chunk_queue_impl.hpp>
#endif
