// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Rows as nccl-tests prints them, so that scripts which read its columns read ours. Times are medians of the samples.
#pragma once

#include <blink/core/text.hpp>
#include <blink/core/units.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "session.hpp"

namespace blink_perf {

/// One line of the table: a size, out of place and in place.
struct row {
    std::size_t bytes = 0;
    job what;
    outcome out_of_place;
    outcome in_place;
};

[[nodiscard]] inline double mean(const std::vector<double>& samples) {
    if (samples.empty()) { return 0; }
    return std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

[[nodiscard]] inline double median(std::vector<double> samples) {
    if (samples.empty()) { return 0; }
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    if (samples.size() % 2 == 1) { return *middle; }
    return (*middle + *std::max_element(samples.begin(), middle)) / 2;
}

/// What the wires must carry for each byte of the result; see nccl-tests, doc/PERFORMANCE.md.
[[nodiscard]] constexpr double bus_factor(blink::collective kind, int ranks) noexcept {
    if (blink::is_rooted(kind)) { return 1.0; }
    return (kind == blink::collective::allreduce ? 2.0 : 1.0) * (ranks - 1) / ranks;
}

[[nodiscard]] constexpr double bus_factor(const pattern& p) noexcept {
    if (p.moves == movement::none) { return bus_factor(p.kind, p.ranks); }
    return p.moves == movement::sendrecv ? 1.0 : 1.0 * (p.ranks - 1) / p.ranks;
}

[[nodiscard]] inline double algorithm_GBps(std::size_t bytes, double seconds) {
    return seconds > 0 ? blink::rate_GBps(static_cast<double>(bytes), seconds) : 0;
}

/// A number in `width` columns with as many digits as fit, at most two behind the point.
[[nodiscard]] inline std::string fitted(double number, int width) {
    for (const int digits : {2, 1, 0}) {
        const std::string text = blink::format_fixed(number, digits);
        if (static_cast<int>(text.size()) < width || digits == 0) { return text; }
    }
    return {};
}

template <class... Args>
[[nodiscard]] std::string formatted(const char* format, Args... args) {
    std::array<char, 256> buffer{};
    std::snprintf(buffer.data(), buffer.size(), format, args...);
    return buffer.data();
}

/// A time in microseconds, and how many times as fast Blink is: two columns for what Blink is compared with.
[[nodiscard]] inline std::string peer_text(const outcome& side, const std::vector<double>& samples) {
    if (side.samples.empty()) { return formatted("  %9s  %6s", "N/A", "N/A"); } // there is no such call
    const double seconds = median(samples);
    return formatted("  %9s  %6s", fitted(seconds * 1e6, 9).c_str(), fitted(seconds / median(side.samples), 6).c_str());
}

[[nodiscard]] inline std::string side_text(const row& r, const outcome& side, bool with_nccl) {
    const std::string beside = with_nccl ? peer_text(side, side.peer_samples) : "";
    if (side.samples.empty()) { return formatted("  %7s  %6s  %6s  %6s", "N/A", "N/A", "N/A", "N/A") + beside; }
    const double seconds = median(side.samples);
    const double algbw = algorithm_GBps(r.bytes, seconds);
    const double busbw = algbw * bus_factor(r.what.data);
    const std::string wrong = side.wrong ? std::to_string(*side.wrong) : "N/A";
    return formatted("  %7s  %6s  %6s  %6s", fitted(seconds * 1e6, 7).c_str(), fitted(algbw, 6).c_str(),
                     fitted(busbw, 6).c_str(), wrong.c_str()) +
           beside;
}

/// The columns of nccl-tests; where NCCL is compared, each side gets its time, and how many times as fast Blink is.
/// Those of symmetric windows come behind both sides, so that the others stay where they are.
[[nodiscard]] inline std::string row_text(const row& r, const comparison& with) {
    const bool combined = reduces(r.what.data);
    const int root = is_rooted(r.what.data) ? r.what.data.root : -1;
    std::string text =
        formatted("%12zu  %12zu  %8s  %6s  %6d", r.bytes, r.what.count, std::string(to_string(r.what.type)).c_str(),
                  combined ? std::string(to_string(r.what.data.op)).c_str() : "none", root) +
        side_text(r, r.out_of_place, with.nccl) + side_text(r, r.in_place, with.nccl);
    if (with.window) {
        text +=
            peer_text(r.out_of_place, r.out_of_place.window_samples) + peer_text(r.in_place, r.in_place.window_samples);
    }
    return text + "\n";
}

[[nodiscard]] inline std::string column_heads(const comparison& with) {
    const auto peer = [](bool shown, const char* time, const char* ratio) {
        return shown ? formatted("  %9s  %6s", time, ratio) : "";
    };
    const auto line = [&](std::array<const char*, 5> keys, std::array<const char*, 4> side, const char* nccl,
                          const char* window, const char* ratio) {
        const std::string both =
            formatted("  %7s  %6s  %6s  %6s", side[0], side[1], side[2], side[3]) + peer(with.nccl, nccl, ratio);
        const std::string behind = peer(with.window, window, ratio);
        return formatted("# %10s  %12s  %8s  %6s  %6s", keys[0], keys[1], keys[2], keys[3], keys[4]) + both + both +
               behind + behind + "\n";
    };
    return formatted(
               "# %10s  %12s  %8s  %6s  %6s           out-of-place          %s             in-place          %s%s\n",
               "", "", "", "", "", with.nccl ? "                 " : "",
               with.window && with.nccl ? "                 " : "",
               with.window ? "     out-of-place            in-place" : "") +
           line({"size", "count", "type", "redop", "root"}, {"time", "algbw", "busbw", "#wrong"}, "nccl time", "window",
                "ratio") +
           line({"(B)", "(elements)", "", "", ""}, {"(us)", "(GB/s)", "(GB/s)", ""}, "(us)", "(us)", "");
}

} // namespace blink_perf
