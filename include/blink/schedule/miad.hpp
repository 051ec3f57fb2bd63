// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// MIAD: a chunk size that is learnt from the running collectives, as in the Blink paper (Wang et al., MLSys 2020).
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/schedule/chunk_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

struct miad_options {
    std::size_t start = 1_MiB;
    std::size_t smallest = 16_KiB;
    std::size_t largest = 64_MiB;
    int samples = 3;         ///< observations a size; their median counts, so that one slow call misleads nobody
    double tolerance = 0.02; ///< a throughput is higher only if it is higher by this share
};

/// Doubles the chunk while the throughput grows, then takes back an eighth of the largest size at a time while that
/// helps, and settles on the best size that it saw.
///
/// Only collectives of one size compare: the size that counts is the largest one seen, and the search starts anew
/// (from the best size so far) when one arrives that is larger by more than a tenth. Deterministic; one thread at a
/// time may observe.
class miad_chunk {
  public:
    enum class stage : unsigned char { growing, shrinking, settled };

    /// @throw usage_error unless 0 < smallest <= start <= largest, samples >= 1 and tolerance >= 0
    explicit miad_chunk(const miad_options& options = {}) : options_(options), chunk_(options.start) {
        const bool ordered =
            options.smallest > 0 && options.smallest <= options.start && options.start <= options.largest;
        if (!ordered || options.samples < 1 || !(options.tolerance >= 0)) {
            throw usage_error(
                "miad_chunk: expected 0 < smallest <= start <= largest, at least 1 sample and no negative tolerance");
        }
    }

    /// The size to use now; lanes that carry less have one chunk.
    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane_bytes) const noexcept {
        return std::clamp<std::size_t>(lane_bytes, 1, chunk_);
    }

    /// Learns that a collective of `bytes`, cut as `chunk_bytes` said, took `seconds`. Times that are not positive
    /// say nothing and are ignored.
    void observe(std::size_t bytes, double seconds) {
        if (!(seconds > 0) || bytes == 0) { return; }
        const double size = static_cast<double>(bytes);
        if (size > 1.1 * size_) {
            restart(size);
        } else if (size < 0.9 * size_) {
            return;
        }
        if (stage_ == stage::settled) { return; }
        seen_.push_back(rate_GBps(size, seconds));
        if (static_cast<int>(seen_.size()) < options_.samples) { return; }
        const auto middle = seen_.begin() + static_cast<std::ptrdiff_t>(seen_.size() / 2);
        std::ranges::nth_element(seen_, middle);
        const double throughput = *middle;
        seen_.clear();
        learn(throughput);
    }

    [[nodiscard]] stage current_stage() const noexcept { return stage_; }
    [[nodiscard]] bool settled() const noexcept { return stage_ == stage::settled; }
    /// Highest throughput so far, in GB/s; 0 before the first size is measured.
    [[nodiscard]] double best_GBps() const noexcept { return best_GBps_; }

  private:
    void restart(double size) {
        if (best_GBps_ > 0) { chunk_ = best_chunk_; }
        size_ = size;
        stage_ = stage::growing;
        best_GBps_ = 0;
        seen_.clear();
    }

    /// Multiplicative increase while it pays, additive decrease while that pays, then rest.
    void learn(double throughput) {
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
            step_ = std::max<std::size_t>(chunk_ / 8, 1);
            last_GBps_ = throughput;
            shrink();
            return;
        }
        const bool falls = throughput < last_GBps_ * (1 - options_.tolerance);
        last_GBps_ = throughput;
        falls ? settle() : shrink();
    }

    /// One step down; where no whole step is left, half of what is left.
    void shrink() {
        const std::size_t next = chunk_ > step_ ? chunk_ - step_ : chunk_ / 2;
        if (next < options_.smallest) {
            settle();
        } else {
            chunk_ = next;
        }
    }

    void settle() {
        stage_ = stage::settled;
        chunk_ = best_chunk_;
    }

    miad_options options_;
    std::size_t chunk_;
    std::size_t best_chunk_ = 0;
    std::size_t step_ = 0;
    double size_ = 0;
    double best_GBps_ = 0;
    double last_GBps_ = 0;
    stage stage_ = stage::growing;
    std::vector<double> seen_;
};

static_assert(chunk_policy<miad_chunk>);

} // namespace blink
