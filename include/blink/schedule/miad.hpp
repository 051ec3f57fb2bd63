// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// MIAD: a chunk size that is learnt from the running collectives, as in the Blink paper (Wang et al., MLSys 2020).
#pragma once

#include <blink/core/units.hpp>
#include <blink/schedule/chunk_policy.hpp>
#include <blink/schedule/miad_search.hpp>

#include <algorithm>
#include <cstddef>

namespace blink {

/// The policy that searches as `miad_search` does.
///
/// Only collectives of one size compare: the size that counts is the largest one seen, and the search starts anew
/// (from the best size so far) when one arrives that is larger by more than a tenth. Deterministic; one thread at a
/// time may observe.
class miad_chunk {
  public:
    using stage = miad_search::stage;

    /// @throw usage_error for `options` that do not fit together, see `miad_options::check`
    explicit miad_chunk(const miad_options& options = {}) : options_(options), search_(options) { options.check(); }

    /// What it searches by, for those who search themselves: GPUs do, where the host cannot watch.
    [[nodiscard]] const miad_options& search_options() const noexcept { return options_; }

    /// The size to use now; lanes that carry less have one chunk.
    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane_bytes) const noexcept {
        return std::clamp<std::size_t>(lane_bytes, 1, search_.chunk_bytes());
    }

    /// Learns that a collective of `bytes`, cut as `chunk_bytes` said, took `seconds`. Times that are not positive
    /// say nothing and are ignored.
    void observe(std::size_t bytes, double seconds) {
        if (!(seconds > 0) || bytes == 0) { return; }
        const double size = static_cast<double>(bytes);
        if (size > 1.1 * size_) {
            size_ = size;
            search_.restart();
        } else if (size < 0.9 * size_) {
            return;
        }
        search_.observe(rate_GBps(size, seconds));
    }

    [[nodiscard]] stage current_stage() const noexcept { return search_.current_stage(); }
    [[nodiscard]] bool settled() const noexcept { return current_stage() == stage::settled; }
    /// Highest throughput so far, in GB/s; 0 before the first size is measured.
    [[nodiscard]] double best_GBps() const noexcept { return search_.best_GBps(); }

  private:
    miad_options options_;
    miad_search search_;
    double size_ = 0;
};

static_assert(chunk_policy<miad_chunk>);

} // namespace blink
