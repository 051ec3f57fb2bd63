// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A schedule in the order in which one processor can run it: for each lane, what is combined and copied, after
/// everything that it waits for.
///
/// The roles of a lane say who waits for whom. Threads that share memory need not wait at all: a worker takes one
/// chunk up and down the whole tree while it is in its cache, and other workers take other chunks. A schedule in
/// which a rank waits for ever has no such order; that is found here, before anything moves.
#pragma once

#include <blink/core/config.hpp>
#include <blink/schedule/schedule.hpp>

#include <vector>

namespace blink::host {

/// Where a chunk stands: in a buffer of a rank, or in a slot of scratch memory that the worker owns.
struct place {
    enum class kind : unsigned char { input, output, slot };
    kind in = kind::input;
    int index = 0; ///< rank or slot

    friend bool operator==(const place&, const place&) = default;
};

/// `to` = the operands combined from the left; the last one of a lane makes the result.
struct combine_step {
    int rank = 0; ///< who does it
    place to;
    std::vector<place> operands; ///< own contribution, then the partial results of the children in their order
};

/// Hands the result on.
struct copy_step {
    int rank = 0; ///< who receives
    place to;
    place from;
};

/// All that happens to one chunk of a lane. Only the last combination may write to an output, so that in place an
/// input is read before it is overwritten.
struct compiled_lane {
    std::vector<combine_step> up;
    std::vector<copy_step> down;
    int slots = 0; ///< scratch slots of a chunk each
};

struct compiled_schedule {
    blink::schedule schedule;
    std::vector<compiled_lane> lanes;
};

/// Orders the steps of every lane.
/// @throw schedule_error naming lane and rank where a contribution would be lost or doubled, a rank would wait for
///        ever, or the shares do not add up to 1 (for each root, to its shard)
[[nodiscard]] BLINK_INLINE compiled_schedule compile(schedule s);

} // namespace blink::host

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/host/compile_impl.hpp>
#endif
