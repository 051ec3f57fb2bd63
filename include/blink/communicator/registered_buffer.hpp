// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of every rank that the other ranks' processes see too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace blink {

/// One buffer a rank, all of the same length, that were registered with a communicator in one call of all ranks; see
/// `communicator::register_buffer`. Copies name the same registration.
///
/// A call whose options name it (`options::into`) has its output in it, at the same offset on every rank. So each rank
/// knows where the outputs of all others are without asking, and where `is_shared()` results go straight into them,
/// instead of through slots of the receiver. The bits are the same either way.
class registered_buffer {
  public:
    /// What the ranks agreed on.
    struct record {
        int number = 0; ///< counts the registrations of a communicator
        std::size_t bytes = 0;
        std::byte* own = nullptr;        ///< this rank's
        std::vector<std::byte*> bases{}; ///< by rank, as this process sees them; empty: not shared. Null for ranks
                                         ///< whose memory this GPU does not reach
        std::uint64_t allocation = 0;    ///< sign of the allocation that `own` is in; 0: the driver gave none
        bool open = true;                ///< false: no longer registered
    };

    registered_buffer() = default;
    /// As a communicator makes it.
    explicit registered_buffer(std::shared_ptr<const record> of) : of_(std::move(of)) {}

    /// False for a buffer of no communicator, or one that was unregistered.
    [[nodiscard]] bool is_registered() const noexcept { return of_ != nullptr && of_->open; }
    /// True where results go straight into it; the same on all ranks. False where the memory of one of them cannot be
    /// opened by another process, such as managed memory.
    [[nodiscard]] bool is_shared() const noexcept { return is_registered() && !of_->bases.empty(); }
    [[nodiscard]] int number() const noexcept { return of_ == nullptr ? 0 : of_->number; }
    [[nodiscard]] std::size_t bytes() const noexcept { return of_ == nullptr ? 0 : of_->bytes; }
    [[nodiscard]] void* data() const noexcept { return of_ == nullptr ? nullptr : of_->own; }
    [[nodiscard]] const std::shared_ptr<const record>& of() const noexcept { return of_; }

  private:
    std::shared_ptr<const record> of_;
};

/// Whether all `bytes` at `p` are inside the buffer, and where they begin in it.
[[nodiscard]] inline bool lies_in(const registered_buffer& buffer, const void* p, std::size_t bytes,
                                  std::size_t& offset) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer.data());
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    if (at < begin || at - begin > buffer.bytes() || bytes > buffer.bytes() - (at - begin)) { return false; }
    offset = at - begin;
    return true;
}

} // namespace blink
