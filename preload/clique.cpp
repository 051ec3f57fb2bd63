// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "clique.hpp"

#include <blink/core/error.hpp>

#include <algorithm>
#include <bit>
#include <exception>
#include <utility>

#include "log.hpp"

namespace blink::preload {

namespace {

/// Calls of a kind and of sizes up to the next power of two: `(512 KiB, 1 MiB]` is the class of 1 MiB.
template <class Call>
std::string class_of(const Call& c) {
    return std::string(to_string(c.kind)) + " up to " + text_of_bytes(std::bit_ceil(c.count * size_of(c.type)));
}

} // namespace

clique::clique(std::vector<nccl::communicator*> ranks, std::size_t of, std::unique_ptr<executor> runs,
               const settings& chosen, const nccl::unique_id& id)
    : ranks_(std::move(ranks)), size_(of), runs_(std::move(runs)), chosen_(chosen), children_(id) {}

void clique::gave_to_nccl(const collective_call& call) {
    if (call.kind != call_kind::send_recv || !is_whole()) { return; }
    given_.note(call, rank_of(call.comm));
}

matching clique::joined(std::span<const collective_call> calls) const {
    if (calls.front().kind != call_kind::send_recv) { return match(ranks_, calls); }
    if (!is_whole()) { return {{}, "no rank knows of all sends and receives"}; }
    if (given_.any_waits()) { return {{}, "NCCL has a send or receive that waits for its other end"}; }
    for (const collective_call& c : calls) {
        if (!given_.is_open(c, rank_of(c.comm))) {
            return {{},
                    "NCCL has rank " + std::to_string(rank_of(c.comm)) + "'s first transfer with rank " +
                        std::to_string(c.root) + ", and opens the way for it"};
        }
    }
    return match_transfers(ranks_, calls);
}

std::string clique::refusal(std::span<const matched_call> calls, bool again) {
    if (closed_) { return "a rank has been finalized"; }
    const auto is_disabled = [&](const matched_call& c) { return chosen_.disabled[static_cast<std::size_t>(c.kind)]; };
    const auto is_tuned_away = [&](const matched_call& c) {
        return chosen_.sizes[static_cast<std::size_t>(c.kind)].is_nccls(bytes_of(c, size_));
    };
    if (!again && std::ranges::any_of(calls, is_disabled)) { return "BLINK_DISABLE"; }
    if (!again && std::ranges::any_of(calls, is_tuned_away)) { return "BLINK_TUNING_FILE"; }
    for (const matched_call& c : calls) {
        if (std::string why = runs_->refusal(c, again); !why.empty()) { return why; }
    }
    return {};
}

answer clique::offer(std::span<const collective_call> calls) {
    const std::lock_guard lock(guard_);
    if (std::string wrong = trouble(); !wrong.empty()) { return {true, std::move(wrong), nccl::remote_error}; }
    // Whether sends and receives may be joined depends on what NCCL was given meanwhile.
    const bool again = calls.front().kind != call_kind::send_recv && std::ranges::equal(calls, last_calls_);
    std::string why;
    if (!again) {
        last_calls_.clear();
        matching matched = joined(calls);
        why = std::move(matched.reason);
        last_matched_ = std::move(matched.calls);
    }
    if (why.empty()) { why = refusal(last_matched_, again); }
    if (log::tells_info()) { tell_of(calls, why); }
    if (!why.empty()) { return {false, std::move(why), nccl::success}; }
    try {
        for (const matched_call& c : last_matched_) { runs_->launch(c, again); }
        if (!again) { last_calls_.assign(calls.begin(), calls.end()); }
    } catch (const std::exception& e) {
        runs_->abort(); // ranks that have been launched shall not wait for those that have not
        log::problem(std::string("a collective could not be launched: ") + e.what());
        const bool was_asked_wrongly = dynamic_cast<const usage_error*>(&e) != nullptr;
        return {true, e.what(), was_asked_wrongly ? nccl::invalid_argument : nccl::unhandled_cuda_error};
    }
    return {true, {}, nccl::success};
}

void clique::finish() noexcept {
    const std::lock_guard lock(guard_);
    closed_ = true;
    runs_->finish();
}

void clique::abort() noexcept {
    closed_ = true;
    runs_->abort(); // without the lock: whoever holds it may be waiting for the end of what is aborted
}

void clique::tell_forwarded(const collective_call& call, const std::string& reason) {
    if (log::tells_info()) { tell(class_of(call), "NCCL", reason); }
}

void clique::tell_of(std::span<const collective_call> calls, const std::string& refused) {
    if (!refused.empty()) {
        for (const collective_call& c : calls) { tell(class_of(c), "NCCL", refused); }
        return;
    }
    for (const matched_call& c : last_matched_) { tell(class_of(c), "Blink", runs_->way(c)); }
}

void clique::tell(const std::string& calls, const std::string& path, const std::string& reason) {
    const std::string line = calls + " among " + std::to_string(size_) + (is_whole() ? " GPUs" : " processes") +
                             " goes to " + path + (reason.empty() ? "" : ": " + reason);
    const std::lock_guard lock(told_guard_);
    if (told_.insert(line).second) { log::info(line); }
}

} // namespace blink::preload
