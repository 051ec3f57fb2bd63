// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The share of a call for a second set of links (see `hybrid_share`), corrected by what running calls took.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/hybrid_split.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace blink {

struct adaptive_split_options {
    int samples = 3;         ///< observations a share; their medians count
    double tolerance = 0.02; ///< the sets end together within this, and a gain below it is none
    int steps = 16;          ///< shares tried at most
};

/// Measures calls without the slower set, then starts from the formula and moves data from the set that ends later to
/// the other, in smaller steps once it went too far. It settles on the share with the shortest call, or on 0 where
/// none is shorter than without the slower set. Serves calls of one size. Deterministic; one thread at a time.
class adaptive_split {
  public:
    /// @throw usage_error as `hybrid_share`; for less than one sample or step, or a tolerance outside 0 .. 1
    adaptive_split(std::size_t bytes, const hybrid_rates& planned, const adaptive_split_options& options = {})
        : options_(options), first_(hybrid_share(bytes, planned)),
          whole_s_(static_cast<double>(bytes) * 1e-9 * (1 / planned.fast_GBps + 1 / planned.slow_GBps)) {
        if (options.samples < 1 || options.steps < 1 || !(options.tolerance >= 0 && options.tolerance < 1)) {
            throw usage_error(
                "adaptive_split: expected a sample and a step or more, and a tolerance from 0 to below 1");
        }
        settled_ = first_ == 0;
    }

    /// To use for the next call.
    [[nodiscard]] double share() const noexcept { return share_; }
    [[nodiscard]] bool settled() const noexcept { return settled_; }

    /// Learns when the two sets had done their parts of a call that was cut as `share` said. Times that cannot be are
    /// ignored; without the slower set its time is 0.
    void observe(double fast_s, double slow_s) {
        if (settled_ || !(fast_s >= 0) || !(slow_s >= 0) || !(std::max(fast_s, slow_s) > 0)) { return; }
        fast_.push_back(fast_s);
        slow_.push_back(slow_s);
        if (static_cast<int>(fast_.size()) == options_.samples) { learn(median(fast_), median(slow_)); }
    }

  private:
    static double median(std::vector<double>& values) {
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::nth_element(values.begin(), middle, values.end());
        const double found = *middle;
        values.clear();
        return found;
    }

    void learn(double fast_s, double slow_s) {
        const double call_s = std::max(fast_s, slow_s);
        if (share_ == 0) {
            alone_s_ = best_s_ = call_s;
            share_ = first_;
            return;
        }
        if (call_s < best_s_) {
            best_s_ = call_s;
            best_ = share_;
        }
        const double gap = fast_s - slow_s;
        if (std::abs(gap) <= options_.tolerance * call_s || ++steps_ >= options_.steps) {
            settle();
            return;
        }
        if (gap * last_gap_ < 0) { gain_ /= 2; }
        last_gap_ = gap;
        // A set that is much slower than planned would be left out by one step; a quarter shows more.
        const double smallest = share_ / 4;
        const double largest = 1 - (1 - share_) / 4;
        share_ = std::clamp(share_ + gain_ * gap / whole_s_, smallest, largest);
    }

    void settle() {
        settled_ = true;
        share_ = best_s_ < alone_s_ * (1 - options_.tolerance) ? best_ : 0;
    }

    adaptive_split_options options_;
    double first_;
    double whole_s_; ///< by how much the gap changes over all shares, as planned
    double share_ = 0;
    bool settled_ = false;
    double alone_s_ = 0;
    double best_s_ = 0;
    double best_ = 0;
    double gain_ = 1;
    double last_gap_ = 0;
    int steps_ = 0;
    std::vector<double> fast_, slow_;
};

} // namespace blink
