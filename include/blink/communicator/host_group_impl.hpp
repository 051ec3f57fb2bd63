// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the members of `host_group` that know no types.
#pragma once

#include <blink/communicator/host_group.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <numeric>
#include <string>
#include <utility>

namespace blink {

BLINK_INLINE host_group::host_group(group_options choices)
    : machine_(choices.machine ? std::move(*choices.machine) : topology(dgx1v)), gpus_(std::move(choices.gpus)),
      timeout_(choices.timeout), pool_(choices.threads) {
    if (choices.ranks < 0 || choices.virtual_ranks < 0) { throw usage_error("host_group: a negative number of ranks"); }
    if (timeout_ <= std::chrono::milliseconds::zero()) {
        throw usage_error("host_group: a timeout of " + std::to_string(timeout_.count()) + " ms");
    }
    const int ranks = choices.ranks > 0 ? choices.ranks : choices.virtual_ranks;
    if (gpus_.empty()) {
        gpus_.resize(static_cast<std::size_t>(ranks > 0 ? ranks : machine_.gpu_count()));
        std::iota(gpus_.begin(), gpus_.end(), 0);
    }
    if (ranks > 0 && ranks != size()) {
        throw usage_error("host_group: " + std::to_string(ranks) + " ranks, but " + std::to_string(size()) +
                          " GPUs are named");
    }
    (void)induced(machine_, gpus_); // names a GPU that the machine does not have, or that is given twice
}

BLINK_INLINE void host_group::synchronize() const {
    if (failure_) { std::rethrow_exception(failure_); }
    if (stop_.load(std::memory_order_acquire)) { throw aborted_error("the group was aborted"); }
}

BLINK_INLINE void host_group::abort() noexcept {
    group_status expected = group_status::ready;
    status_.compare_exchange_strong(expected, group_status::aborted, std::memory_order_acq_rel);
    stop_.store(true, std::memory_order_release);
}

BLINK_INLINE const host_group::ready& host_group::ready_for(collective kind, int root, const plan_options& planning) {
    if (!is_rooted(kind)) { root = best_root; }
    const plan_key k = key_of(kind, root, planning);
    auto found = plans_.find(k);
    if (found == plans_.end()) {
        plan made = make_plan(machine_, gpus_, kind, root, planning);
        host::compiled_schedule compiled = host::compile(made.schedule);
        found = plans_.emplace(k, ready{std::move(made), std::move(compiled)}).first;
    }
    return found->second;
}

BLINK_INLINE void host_group::keep_failure(group_status what) noexcept {
    failure_ = std::current_exception();
    status_.store(what, std::memory_order_release);
}

BLINK_INLINE void host_group::throw_if_unusable() const {
    switch (status()) {
    case group_status::ready:
        return;
    case group_status::aborted:
        throw aborted_error("the group was aborted");
    case group_status::timed_out:
        throw timeout_error("the group is unusable: an earlier call timed out");
    case group_status::failed:
        throw aborted_error("the group is unusable: an earlier call failed");
    }
}

} // namespace blink
