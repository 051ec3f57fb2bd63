// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Sizes and lists of ranks as people write them on a command line, and sizes and times as people read them.
#pragma once

#include <blink/core/error.hpp>

#include <array>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace blink {

/// A size in bytes: a number with an optional K, M, G or T (powers of 1024; `64M`, `64MiB` and `64MB` are alike).
/// @throw usage_error naming `text` where it is no size
[[nodiscard]] inline std::size_t parse_bytes(std::string_view text) {
    double number = 0;
    const auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    constexpr std::string_view units = "KMGT";
    if (!unit.empty()) {
        const auto upper = static_cast<char>(unit[0] >= 'a' && unit[0] <= 'z' ? unit[0] - 'a' + 'A' : unit[0]);
        if (const auto power = units.find(upper); power != std::string_view::npos) {
            for (std::size_t i = 0; i <= power; ++i) { number *= 1024; }
            unit.remove_prefix(1);
            if (unit == "iB" || unit == "ib") { unit.remove_prefix(1); }
        }
        if (unit == "B" || unit == "b") { unit.remove_prefix(1); }
    }
    if (status != std::errc{} || !unit.empty() || !(number >= 0 && number < 0x1p60)) {
        throw usage_error("'" + std::string(text) + "' is no size: expected bytes such as 4096, 64K, 64M or 1G");
    }
    return static_cast<std::size_t>(number);
}

/// Whole numbers separated by commas, with ranges: `0,1,4-7`.
/// @throw usage_error naming `text` where it is no such list
[[nodiscard]] inline std::vector<int> parse_ranks(std::string_view text) {
    std::vector<int> ranks;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto fail = [&] {
        throw usage_error("'" + std::string(text) + "' is no list of ranks: expected numbers such as 0,1,4 or 0-7");
    };
    const auto number = [&] {
        int n = -1;
        const auto [rest, status] = std::from_chars(at, end, n);
        if (status != std::errc{} || n < 0 || n > 9999) { fail(); }
        at = rest;
        return n;
    };
    for (;;) {
        const int first = number();
        int last = first;
        if (at != end && *at == '-') {
            ++at;
            last = number();
        }
        if (last < first) { fail(); }
        for (int r = first; r <= last; ++r) { ranks.push_back(r); }
        if (at == end) { return ranks; }
        if (*at++ != ',') { fail(); }
    }
}

/// Sorted or not, runs of three and more neighbours become ranges: `0-3,6`.
[[nodiscard]] inline std::string format_ranks(const std::vector<int>& ranks) {
    std::string out;
    for (std::size_t i = 0; i < ranks.size();) {
        std::size_t j = i;
        while (j + 1 < ranks.size() && ranks[j + 1] == ranks[j] + 1) { ++j; }
        if (j < i + 2) { j = i; }
        out += (out.empty() ? "" : ",") + std::to_string(ranks[i]);
        if (j > i) { out += "-" + std::to_string(ranks[j]); }
        i = j + 1;
    }
    return out;
}

/// A number with `digits` behind the point.
[[nodiscard]] inline std::string format_fixed(double number, int digits) {
    std::array<char, 64> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, number);
    return buffer.data();
}

/// A size in the largest binary unit that keeps it whole, else with two digits: `64 MiB`, `1.50 KiB`.
[[nodiscard]] inline std::string format_bytes(std::size_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    double number = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (number >= 1024 && unit + 1 < units.size()) {
        number /= 1024;
        ++unit;
    }
    const bool whole = number == static_cast<double>(static_cast<std::size_t>(number));
    return format_fixed(number, whole ? 0 : 2) + " " + units[unit];
}

/// A time in the unit that suits it: `3.20 us`, `1.25 ms`, `2.00 s`.
[[nodiscard]] inline std::string format_seconds(double seconds) {
    if (seconds < 1e-3) { return format_fixed(seconds * 1e6, 2) + " us"; }
    if (seconds < 1) { return format_fixed(seconds * 1e3, 2) + " ms"; }
    return format_fixed(seconds, 2) + " s";
}

} // namespace blink
