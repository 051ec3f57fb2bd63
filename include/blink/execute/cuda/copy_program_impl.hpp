// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of copy_program.hpp.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/copy_choice_impl.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace blink::cuda {

namespace detail {

/// For each step, the steps of other queues that it has to wait for by itself: not those that its queue has behind it
/// because it waited for a later one.
[[nodiscard]] inline std::vector<std::vector<int>> waits_of(const copy_plan& plan) {
    const auto queues = static_cast<std::size_t>(plan.ranks * copy_queues);
    std::vector<int> seen(queues * queues, -1);
    std::vector<std::vector<int>> waits;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const copy_step& s = plan.steps[i];
        std::vector<int>& own = waits.emplace_back();
        for (const int before : plan.after[i]) {
            const int queue = plan.steps[static_cast<std::size_t>(before)].queue;
            int& last = seen[static_cast<std::size_t>(s.queue) * queues + static_cast<std::size_t>(queue)];
            if (queue == s.queue || last >= before) { continue; }
            last = before;
            own.push_back(before);
        }
    }
    return waits;
}

} // namespace detail

BLINK_INLINE copy_program make_program(copy_plan plan) {
    using kind = copy_action::kind;
    const std::vector<std::vector<int>> waits = detail::waits_of(plan);
    const auto rank_at = [&plan](int step) { return rank_of_queue(plan.steps[static_cast<std::size_t>(step)].queue); };
    std::vector<bool> awaited(plan.steps.size(), false);
    std::vector<bool> followed(plan.steps.size(), false); // by a step that the end of the call waits for in any case
    for (std::size_t i = 0; i < waits.size(); ++i) {
        for (const int before : waits[i]) {
            const auto b = static_cast<std::size_t>(before);
            awaited[b] = true;
            followed[b] = followed[b] || !plan.staged || rank_at(before) == rank_at(static_cast<int>(i));
        }
    }

    copy_program program{plan.ranks, {}, {}, {}, plan.slot_elements, plan.host_elements, plan.by_kernels};
    const auto mark = [&program](int queue) {
        const auto event = static_cast<int>(program.marked_by.size());
        program.marked_by.push_back(queue);
        program.actions.push_back({kind::mark, queue, event});
        return event;
    };
    for (int r = 0; r < plan.ranks; ++r) { (void)mark(queue_of(r, copy_queue::own)); }
    // Who waits for a step of another queue is behind all that this queue waited for, so in the end behind these marks.
    const auto enter = [&](int queue) {
        for (int r = 0; r < plan.ranks; ++r) {
            if (queue != queue_of(r, copy_queue::own)) { program.actions.push_back({kind::wait, queue, r}); }
        }
    };
    std::vector<int> last(static_cast<std::size_t>(plan.ranks * copy_queues), -1);
    std::vector<int> event_of(plan.steps.size(), -1);
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const int queue = plan.steps[i].queue;
        int& before = last[static_cast<std::size_t>(queue)];
        if (before < 0 && waits[i].empty()) { enter(queue); }
        before = static_cast<int>(i);
        for (const int step : waits[i]) {
            program.actions.push_back({kind::wait, queue, event_of[static_cast<std::size_t>(step)]});
        }
        program.actions.push_back({kind::step, queue, static_cast<int>(i)});
        if (awaited[i]) { event_of[i] = mark(queue); }
    }
    // A queue whose last step another queue waited for ends before that one.
    for (std::size_t q = 0; q < last.size(); ++q) {
        if (last[q] < 0 || followed[static_cast<std::size_t>(last[q])]) { continue; }
        const int queue = static_cast<int>(q);
        const int event = mark(queue);
        for (int r = 0; r < plan.ranks; ++r) {
            const int own = queue_of(r, copy_queue::own);
            if (own == queue || (plan.staged && r != rank_of_queue(queue))) { continue; }
            program.actions.push_back({kind::wait, own, event});
        }
    }
    program.steps = std::move(plan.steps);
    return program;
}

BLINK_INLINE std::vector<bool> last_steps(const copy_program& program) {
    std::vector<bool> last(program.actions.size(), false);
    std::vector<bool> ended(static_cast<std::size_t>(program.ranks * copy_queues), false);
    for (std::size_t i = last.size(); i-- > 0;) {
        const copy_action& a = program.actions[i];
        if (a.what != copy_action::kind::step) { continue; }
        const auto queue = static_cast<std::size_t>(a.queue);
        last[i] = !ended[queue];
        ended[queue] = true;
    }
    return last;
}

BLINK_INLINE copy_program program_of(collective kind, int ranks, int root, std::size_t count, std::size_t element_bytes,
                                     std::uint64_t in_place, std::size_t chunk_bytes, const tuning& tuned) {
    const copy_call call = copy_call_of(kind, ranks, count, element_bytes);
    const copy_shape shape = shape_copies(call, element_bytes, chunk_bytes, tuned);
    return make_program(plan_copies(kind, ranks, root, count, in_place, shape));
}

BLINK_INLINE copy_program program_of(const exchange& e, std::size_t element_bytes, const std::vector<bool>& in_place,
                                     std::size_t chunk_bytes, const tuning& tuned) {
    const copy_shape shape = shape_copies(copy_call_of(e, element_bytes), element_bytes, chunk_bytes, tuned);
    return make_program(plan_copies(e, in_place, shape));
}

} // namespace blink::cuda
