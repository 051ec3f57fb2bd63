// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Feeds a reader with damaged copies of a good text: each must be read or refused, never anything else.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/topology.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

namespace blink::test {

/// True where the text is read; false where it is refused with a file and a line that exists.
template <class Read>
bool is_read(const std::string& text, Read read) {
    try {
        return read(std::string_view(text)).gpu_count() > 0;
    } catch (const topology_error& e) {
        const auto lines = std::ranges::count(text, '\n') + 1;
        const bool placed = e.file() == "damaged" && e.line() >= 1 && e.line() <= lines;
        CHECK_MESSAGE(placed, e.what());
        CHECK(std::string(e.what()).find("expected") != std::string::npos);
        return false;
    }
}

/// Every beginning of the text shorter than `needed` must be refused, longer ones may be read.
template <class Read>
void try_beginnings(const std::string& good, std::size_t needed, Read read) {
    REQUIRE(is_read(good, read));
    for (std::size_t n = 0; n < good.size(); ++n) {
        CAPTURE(n);
        const bool taken = is_read(good.substr(0, n), read);
        CHECK_FALSE((taken && n < needed));
    }
}

/// Changes one byte at a time, at places and to values that are the same in every run.
template <class Read>
void try_mutations(const std::string& good, int times, Read read) {
    std::mt19937 random{20200302};
    int refused = 0;
    for (int i = 0; i < times; ++i) {
        std::string bad = good;
        bad[random() % bad.size()] = static_cast<char>(random() % 256);
        refused += is_read(bad, read) ? 0 : 1;
    }
    CHECK(refused > 0);
}

} // namespace blink::test
