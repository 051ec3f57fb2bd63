// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Flags by which ranks in different processes tell each other how far their copies are. A queue's flag holds the
/// number of the call and how many things the queue has told of in it, as the flags of blocks do (see call.hpp), so
/// nothing is reset, and captured calls may be replayed.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstdint>

namespace blink::cuda {

/// In the memory of one rank.
struct alignas(128) copy_flags {
    std::uint64_t told[max_ranks * copy_queues]; ///< by queue, each written by the rank that has it
    std::uint64_t call;                          ///< the owner's own: calls that it has entered
};

/// The flags of all ranks as one of them sees them.
struct copy_flag_table {
    copy_flags* of[max_ranks];
};

/// Tells the ranks in `peers` that `queue` of `rank` has come so far in the rank's running call. What the stream did
/// before has ended for all GPUs where this begins. There is no fence here: it would wait for the copies that run
/// meanwhile too.
template <class Machine>
BLINK_DEVICE_CODE inline void raise_flag(const Machine& machine, const copy_flag_table& flags, int rank, int queue,
                                         std::uint32_t count, std::uint32_t peers) {
    const std::uint64_t value = flag_value(flags.of[rank]->call, count);
    for (int r = 0; r < max_ranks; ++r) {
        if ((peers >> r & 1U) != 0) { machine.store(flags.of[r]->told + queue, value); }
    }
}

/// Begins the rank's next call, whose buffers others may write from then on.
template <class Machine>
BLINK_DEVICE_CODE inline void enter_call(const Machine& machine, const copy_flag_table& flags, int rank, int queue,
                                         std::uint32_t count, std::uint32_t peers) {
    ++flags.of[rank]->call;
    machine.fence();
    raise_flag(machine, flags, rank, queue, count, peers);
}

/// Waits until `queue`, of another rank, has told of `count` things in the running call. False after the deadline or an
/// abort, see `wait_until`.
template <class Machine>
BLINK_DEVICE_CODE inline bool hear_flag(const Machine& machine, copy_flags* own, const patience& limits, int rank,
                                        int queue, std::uint32_t count) {
    const std::uint64_t value = flag_value(own->call, count);
    return wait_until(
        machine, limits, [&] { return machine.load(own->told + queue) >= value; },
        [&] {
            const int peer = rank_of_queue(queue);
            const bool is_in = machine.load(own->told + queue_of(peer, copy_queue::own)) >= flag_value(own->call, 1);
            return fault{is_in ? awaited::partial : awaited::readiness, rank, peer, 0, 0, count - 1};
        });
}

} // namespace blink::cuda
