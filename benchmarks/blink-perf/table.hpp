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

[[nodiscard]] inline std::string side_text(const row& r, const outcome& side, bool compare) {
    if (side.samples.empty()) { // there is no such call
        return formatted("  %7s  %6s  %6s  %6s", "N/A", "N/A", "N/A", "N/A") +
               (compare ? formatted("  %9s  %6s", "N/A", "N/A") : "");
    }
    const double seconds = median(side.samples);
    const double algbw = algorithm_GBps(r.bytes, seconds);
    const double busbw = algbw * bus_factor(r.what.data);
    const std::string wrong = side.wrong ? std::to_string(*side.wrong) : "N/A";
    std::string text = formatted("  %7s  %6s  %6s  %6s", fitted(seconds * 1e6, 7).c_str(), fitted(algbw, 6).c_str(),
                                 fitted(busbw, 6).c_str(), wrong.c_str());
    if (compare) {
        const double peer = median(side.peer_samples);
        text += formatted("  %9s  %6s", fitted(peer * 1e6, 9).c_str(), fitted(peer / seconds, 6).c_str());
    }
    return text;
}

/// With `compare` every side gets NCCL's time, and how many times as fast Blink is.
[[nodiscard]] inline std::string row_text(const row& r, bool compare) {
    const bool combined = reduces(r.what.data);
    const int root = is_rooted(r.what.data) ? r.what.data.root : -1;
    return formatted("%12zu  %12zu  %8s  %6s  %6d", r.bytes, r.what.count, std::string(to_string(r.what.type)).c_str(),
                     combined ? std::string(to_string(r.what.data.op)).c_str() : "none", root) +
           side_text(r, r.out_of_place, compare) + side_text(r, r.in_place, compare) + "\n";
}

[[nodiscard]] inline std::string column_heads(bool compare) {
    const auto side = [&](const char* time, const char* algbw, const char* busbw, const char* wrong, const char* peer,
                          const char* ratio) {
        std::string text = formatted("  %7s  %6s  %6s  %6s", time, algbw, busbw, wrong);
        if (compare) { text += formatted("  %9s  %6s", peer, ratio); }
        return text;
    };
    const auto line = [&](const char* a, const char* b, const char* c, const char* d, const char* e,
                          const std::string& s) {
        return formatted("# %10s  %12s  %8s  %6s  %6s", a, b, c, d, e) + s + s + "\n";
    };
    return formatted("# %10s  %12s  %8s  %6s  %6s           out-of-place          %s             in-place          \n",
                     "", "", "", "", "", compare ? "                 " : "") +
           line("size", "count", "type", "redop", "root",
                side("time", "algbw", "busbw", "#wrong", "nccl time", "ratio")) +
           line("(B)", "(elements)", "", "", "", side("(us)", "(GB/s)", "(GB/s)", "", "(us)", ""));
}

} // namespace blink_perf
