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
    int samples = 3;          ///< observations a share; their medians count
    double tolerance = 0.02;  ///< the sets end together within this
    int steps = 16;           ///< shares tried at most
    double least_gain = 0.02; ///< a call that is shorter by less than this is not shorter than without the slower set
    double most = 1;          ///< no larger share is tried, except the first one
};

/// Measures calls without the slower set, then starts from the formula and moves data from the set that ends later to
/// the other, in smaller steps once it went too far. It settles on the share with the shortest call, or on 0 where
/// none is shorter than without the slower set. Serves calls of one size. Deterministic; one thread at a time.
class adaptive_split {
  public:
    /// @throw usage_error as `hybrid_share`; for less than one sample or step, or a tolerance outside 0 .. 1
    adaptive_split(std::size_t bytes, const hybrid_rates& planned, const adaptive_split_options& options = {})
        : adaptive_split(hybrid_share(bytes, planned),
                         static_cast<double>(bytes) * 1e-9 * (1 / planned.fast_GBps + 1 / planned.slow_GBps), options) {
    }

    /// Starts from this share where the rates are not known, only by how much one is above the other: by as much as
    /// the share says. The call without the slower set then tells the rest.
    /// @throw usage_error for a share outside 0 .. 1, and as the constructor
    [[nodiscard]] static adaptive_split from_share(double first, const adaptive_split_options& options = {}) {
        return {first, 0, options};
    }

    /// To use for the next call.
    [[nodiscard]] double share() const noexcept { return share_; }
    [[nodiscard]] bool settled() const noexcept { return settled_; }
    /// Observations of calls cut as `share` says that it waits for before it decides; 0 once it is settled.
    [[nodiscard]] int missing() const noexcept {
        return settled_ ? 0 : options_.samples - static_cast<int>(fast_.size());
    }

    /// Learns when the two sets had done their parts of a call that was cut as `share` said. Times that cannot be are
    /// ignored; without the slower set its time is 0.
    void observe(double fast_s, double slow_s) {
        if (settled_ || !(fast_s >= 0) || !(slow_s >= 0) || !(std::max(fast_s, slow_s) > 0)) { return; }
        fast_.push_back(fast_s);
        slow_.push_back(slow_s);
        if (static_cast<int>(fast_.size()) == options_.samples) { learn(median(fast_), median(slow_)); }
    }

  private:
    adaptive_split(double first, double whole_s, const adaptive_split_options& options)
        : options_(options), first_(first), whole_s_(whole_s) {
        const auto below_1 = [](double x) { return x >= 0 && x < 1; };
        if (options.samples < 1 || options.steps < 1 || !below_1(options.tolerance) || !below_1(options.least_gain) ||
            !(options.most >= 0) || !(first >= 0 && first <= 1)) {
            throw usage_error("adaptive_split: expected a sample and a step or more, a tolerance and a gain from 0 to "
                              "below 1, and shares from 0 to 1");
        }
        settled_ = first_ == 0;
    }

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
            if (whole_s_ == 0) { whole_s_ = alone_s_ / first_; }
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
        const double largest = std::max(std::min(1 - (1 - share_) / 4, options_.most), smallest);
        const double next = std::clamp(share_ + gain_ * gap / whole_s_, smallest, largest);
        if (next == share_) {
            settle();
        } else {
            share_ = next;
        }
    }

    void settle() {
        settled_ = true;
        share_ = best_s_ < alone_s_ * (1 - options_.least_gain) ? best_ : 0;
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
