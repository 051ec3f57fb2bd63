// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The processes of a measurement, as one of them sees the others.
#pragma once

#include <blink/communicator/meeting.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink_perf {

class company {
  public:
    /// One process that drives all ranks.
    company() = default;
    /// One rank's process among others that have met.
    explicit company(std::unique_ptr<blink::meeting> met) : met_(std::move(met)) {}

    [[nodiscard]] bool alone() const noexcept { return met_ == nullptr; }

    /// What each process says, by rank; waits for all.
    /// @throw blink::peer_lost_error for a process that ended, blink::timeout_error for one that does not come
    [[nodiscard]] std::vector<std::string> exchange(std::string_view own) const {
        return alone() ? std::vector<std::string>{std::string(own)} : met_->exchange(own);
    }

    /// Waits until all processes are here.
    void gather() const { (void)exchange(""); }

    /// The sum of what each process counted.
    [[nodiscard]] std::size_t sum(std::size_t own) const {
        std::size_t total = 0;
        for (const std::string& part : exchange(std::to_string(own))) { total += std::stoull(part); }
        return total;
    }

  private:
    std::unique_ptr<blink::meeting> met_;
};

} // namespace blink_perf
