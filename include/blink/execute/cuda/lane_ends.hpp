// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// When emulated links had carried the last chunk of each lane to each rank, as a kernel stamps it.
///
/// Stamps only grow, so that blocks need no order among themselves, and zeroed words are an empty record: the first
/// word is the complement of the earliest time, the others are the latest one by lane and rank.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace blink::cuda {

/// Words of the record of a schedule.
[[nodiscard]] constexpr std::size_t lane_end_words(std::size_t lanes, int ranks) {
    return 1 + lanes * static_cast<std::size_t>(ranks);
}

/// The word of what comes to `rank` in `lane`.
[[nodiscard]] BLINK_HOST_DEVICE constexpr std::size_t lane_end_index(int lane, int rank, int ranks) {
    return 1 + static_cast<std::size_t>(lane) * static_cast<std::size_t>(ranks) + static_cast<std::size_t>(rank);
}

/// Enters that a chunk which asked at `asked` has come to `rank` at `came`; both in nanoseconds, above 0.
/// @param raise called with a word and a value: makes the word the larger of both, atomically
template <class Raise>
BLINK_DEVICE_CODE inline void stamp_lane(unsigned long long* words, int lane, int rank, int ranks, std::uint64_t asked,
                                         std::uint64_t came, const Raise& raise) {
    raise(words, ~static_cast<unsigned long long>(asked));
    raise(words + lane_end_index(lane, rank, ranks), static_cast<unsigned long long>(came));
}

/// Seconds from the first chunk that asked to the last that came, by lane and rank; 0 where none came.
/// @throw usage_error where the record has another size
[[nodiscard]] inline std::vector<std::vector<double>> lane_ends(std::span<const unsigned long long> words,
                                                                std::size_t lanes, int ranks) {
    if (words.size() != lane_end_words(lanes, ranks)) {
        throw usage_error("lane_ends: " + std::to_string(words.size()) + " words for " + std::to_string(lanes) +
                          " lanes of " + std::to_string(ranks) + " ranks");
    }
    const unsigned long long began = ~words[0];
    std::vector<std::vector<double>> ends(lanes);
    for (std::size_t l = 0; l < lanes; ++l) {
        for (int r = 0; r < ranks; ++r) {
            const unsigned long long came = words[lane_end_index(static_cast<int>(l), r, ranks)];
            ends[l].push_back(came <= began ? 0 : static_cast<double>(came - began) * 1e-9);
        }
    }
    return ends;
}

/// By how much the first lane ends before the last, as a part of the time of the last; a lane ends with its last rank.
/// 0 without a lane that took any time.
[[nodiscard]] inline double spread_of(const std::vector<std::vector<double>>& ends) {
    double first = 0;
    double last = 0;
    for (std::size_t l = 0; l < ends.size(); ++l) {
        const double end = ends[l].empty() ? 0 : *std::max_element(ends[l].begin(), ends[l].end());
        first = l == 0 ? end : std::min(first, end);
        last = std::max(last, end);
    }
    return last > 0 ? 1 - first / last : 0;
}

} // namespace blink::cuda
