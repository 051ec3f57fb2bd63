// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The search of MIAD for a chunk size (Wang et al., MLSys 2020), as a value that the host and a kernel carry out
/// alike.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/core/units.hpp>

#include <cstddef>
#include <string>

namespace blink {

struct miad_options {
    static constexpr int most_samples = 16;

    std::size_t start = 1_MiB;
    std::size_t smallest = 16_KiB;
    std::size_t largest = 64_MiB;
    int samples = 3;         ///< observations a size; their median counts, so that one slow call misleads nobody
    double tolerance = 0.02; ///< a throughput is higher only if it is higher by this share

    /// @throw usage_error unless 0 < smallest <= start <= largest, 1 <= samples <= most_samples and tolerance >= 0
    void check() const {
        const bool ordered = smallest > 0 && smallest <= start && start <= largest;
        if (!ordered || samples < 1 || samples > most_samples || !(tolerance >= 0)) {
            throw usage_error("MIAD: expected 0 < smallest <= start <= largest, 1 to " + std::to_string(most_samples) +
                              " samples and no negative tolerance");
        }
    }
};

/// Doubles the chunk while the throughput grows, then takes back an eighth of the largest size at a time while that
/// helps, and settles on the best size that it saw.
class miad_search {
  public:
    enum class stage : unsigned char { growing, shrinking, settled };

    miad_search() = default;
    /// @param options that have passed `check`
    BLINK_HOST_DEVICE explicit miad_search(const miad_options& options) : options_(options), chunk_(options.start) {}

    /// Bytes of a chunk to try now, or to keep.
    [[nodiscard]] BLINK_HOST_DEVICE std::size_t chunk_bytes() const noexcept { return chunk_; }
    [[nodiscard]] BLINK_HOST_DEVICE stage current_stage() const noexcept { return stage_; }
    /// Highest throughput so far, in GB/s; 0 before the first size is measured.
    [[nodiscard]] BLINK_HOST_DEVICE double best_GBps() const noexcept { return best_GBps_; }

    /// Begins anew, from the best size so far.
    BLINK_HOST_DEVICE void restart() {
        if (best_GBps_ > 0) { chunk_ = best_chunk_; }
        stage_ = stage::growing;
        best_GBps_ = 0;
        samples_ = 0;
    }

    /// Learns what a collective with chunks of this size reached.
    BLINK_HOST_DEVICE void observe(double GBps) {
        if (stage_ == stage::settled) { return; }
        int at = samples_++;
        for (; at > 0 && seen_[at - 1] > GBps; --at) { seen_[at] = seen_[at - 1]; }
        seen_[at] = GBps;
        if (samples_ < options_.samples) { return; }
        samples_ = 0;
        learn(seen_[options_.samples / 2]);
    }

  private:
    /// Multiplicative increase while it pays, additive decrease while that pays, then rest.
    BLINK_HOST_DEVICE void learn(double throughput) {
        const bool better = throughput > best_GBps_ * (1 + options_.tolerance);
        if (better || best_GBps_ == 0) {
            best_GBps_ = throughput;
            best_chunk_ = chunk_;
        }
        if (stage_ == stage::growing) {
            if (better && chunk_ <= options_.largest / 2) {
                chunk_ *= 2;
                return;
            }
            stage_ = stage::shrinking;
            step_ = chunk_ < 8 ? 1 : chunk_ / 8;
            last_GBps_ = throughput;
            shrink();
            return;
        }
        const bool falls = throughput < last_GBps_ * (1 - options_.tolerance);
        last_GBps_ = throughput;
        falls ? settle() : shrink();
    }

    /// One step down; where no whole step is left, half of what is left.
    BLINK_HOST_DEVICE void shrink() {
        const std::size_t next = chunk_ > step_ ? chunk_ - step_ : chunk_ / 2;
        if (next < options_.smallest) {
            settle();
        } else {
            chunk_ = next;
        }
    }

    BLINK_HOST_DEVICE void settle() {
        stage_ = stage::settled;
        chunk_ = best_chunk_;
    }

    miad_options options_;
    std::size_t chunk_ = options_.start;
    std::size_t best_chunk_ = 0;
    std::size_t step_ = 0;
    double best_GBps_ = 0;
    double last_GBps_ = 0;
    double seen_[miad_options::most_samples] = {}; ///< of this size, in ascending order
    int samples_ = 0;
    stage stage_ = stage::growing;
};

} // namespace blink
