// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The steps of a `copy_plan` on queues that meet at events, as streams do.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace blink::cuda {

/// What is put on a queue: it marks an event, waits until another queue has come to its mark, or does a step.
struct copy_action {
    enum class kind : unsigned char { mark, wait, step };
    kind what = kind::step;
    int queue = 0;
    int index = 0; ///< of the event or the step
};

struct copy_program {
    int ranks = 0;
    std::vector<copy_step> steps;
    std::vector<copy_action> actions; ///< in the order in which they are enqueued; an event is marked before it is
                                      ///< waited for
    std::vector<int> marked_by;       ///< the queue of each event
    std::size_t slot_elements = 0;    ///< see `copy_plan`
    std::size_t host_elements = 0;
    std::size_t by_kernels = 0;
};

/// No step begins before the own queues of all ranks have come to the call, and these go on behind it when all steps
/// are done; of a staged plan, all those of the same rank. Waits that others imply are left out.
[[nodiscard]] BLINK_INLINE copy_program make_program(copy_plan plan);

/// By action, whether it is the last step of its queue.
[[nodiscard]] BLINK_INLINE std::vector<bool> last_steps(const copy_program& program);

/// A call in the shape that suits it; see `shape_copies` and `plan_copies`.
[[nodiscard]] BLINK_INLINE copy_program program_of(collective kind, int ranks, int root, std::size_t count,
                                                   std::size_t element_bytes, std::uint64_t in_place,
                                                   std::size_t chunk_bytes, const tuning& tuned);
[[nodiscard]] BLINK_INLINE copy_program program_of(const exchange& e, std::size_t element_bytes,
                                                   const std::vector<bool>& in_place, std::size_t chunk_bytes,
                                                   const tuning& tuned);

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/copy_program_impl.hpp>
#endif
