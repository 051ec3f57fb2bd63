// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One rank's part of a copy program, for ranks whose streams cannot wait for each other's, as those of different
/// processes: what was an event between two ranks is a flag that one of them raises in the other's memory.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace blink::cuda {

/// Streams that a queue of copies has: its own, and beside it one that tells other ranks of what it has done and one
/// that hears of what they have. So a copy begins right behind the one before it, with no kernel in between.
enum class copy_side : unsigned char { main, tells, hears };
inline constexpr int rank_streams = 3 * copy_queues;

[[nodiscard]] constexpr int stream_number(int queue, copy_side side) noexcept {
    return static_cast<int>(side) * copy_queues + queue % copy_queues;
}
/// The rank's own stream.
inline constexpr int own_stream = stream_number(static_cast<int>(copy_queue::own), copy_side::main);

/// What is put on a stream of a rank.
struct rank_action {
    enum class kind : unsigned char {
        enter, ///< begins the rank's next call, and raises the first flag of its own queue at the ranks `peers`
        mark,  ///< event `index`
        wait,  ///< until event `index` is marked
        step,  ///< `index` of the steps
        raise, ///< the flag of `queue` at the ranks `peers`: it has told them of `count` things in this call
        hear   ///< waits until `queue`, of another rank, has told of that many
    };
    kind what = kind::step;
    int stream = own_stream;
    int index = 0;
    int queue = 0;
    std::uint32_t count = 0;
    std::uint32_t peers = 0; ///< bit r: rank r
};

struct rank_program {
    int rank = 0;
    std::vector<copy_step> steps;     ///< of all ranks
    std::vector<rank_action> actions; ///< in the order in which they are enqueued, in which each waits for earlier ones
                                      ///< of this rank or of another one alone
    int events = 0;
    std::size_t entry = 0; ///< actions before the kernels that carry `by_kernels` elements
    std::size_t slot_elements = 0;
    std::size_t host_elements = 0;
    std::size_t by_kernels = 0;
};

/// The part of `rank`. All streams branch off behind its entry and have ended where its own stream goes on, so that a
/// capture holds them all.
[[nodiscard]] BLINK_INLINE rank_program part_of(const copy_program& program, int rank);

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/rank_program_impl.hpp>
#endif
