// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How many communicators of a process run kernels on a GPU at once: two.
#pragma once

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

namespace blink::preload {

/// The blocks of a kernel wait for those of other ranks, so all of a kernel's have to be resident; a GPU holds those of
/// two long calls. Where calls of three communicators became ready at once, each rank might hold blocks of others, and
/// none would end. So a communicator takes one of two places, and its calls there follow those of who had it before.
/// All ranks make their calls in one order, so they take the same places. May be used from any thread.
template <class Calls>
class launch_slots {
  public:
    /// Calls `follow(other)` where the next call of `own` has to follow the last one of `other`. No communicator leaves
    /// meanwhile.
    template <class Follow>
    void enter(Calls* own, const Follow& follow) {
        const std::lock_guard lock(guard_);
        if (holders_[1] == own) { std::swap(holders_[0], holders_[1]); }
        if (holders_[0] == own) { return; }
        Calls* const other = std::exchange(holders_[1], own);
        std::swap(holders_[0], holders_[1]);
        if (other != nullptr) { follow(*other); }
    }

    /// `own` makes no more calls.
    void leave(Calls* own) {
        const std::lock_guard lock(guard_);
        std::ranges::replace(holders_, own, nullptr);
    }

  private:
    std::mutex guard_;
    std::array<Calls*, 2> holders_{}; ///< who called last comes first
};

} // namespace blink::preload
