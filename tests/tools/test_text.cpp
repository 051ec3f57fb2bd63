// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/text.hpp>

#include <doctest/doctest.h>

TEST_CASE("sizes take powers of 1024 in any spelling") {
    CHECK(blink::parse_bytes("8") == 8);
    CHECK(blink::parse_bytes("64K") == 65536);
    CHECK(blink::parse_bytes("64k") == 65536);
    CHECK(blink::parse_bytes("64KiB") == 65536);
    CHECK(blink::parse_bytes("1.5M") == 3U << 19);
    CHECK(blink::parse_bytes("1GB") == 1U << 30);
    CHECK(blink::parse_bytes("0") == 0);
}

TEST_CASE("what is no size is named") {
    for (const char* text : {"", "K", "-1", "12Q", "64Kx", "1 K", "1e30", "nan"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH_AS((void)blink::parse_bytes(text), doctest::Contains(text), blink::usage_error);
    }
}

TEST_CASE("lists of ranks take numbers and ranges in any order") {
    CHECK(blink::parse_ranks("0") == std::vector{0});
    CHECK(blink::parse_ranks("4,1,0") == std::vector{4, 1, 0});
    CHECK(blink::parse_ranks("0-2,7,4-5") == std::vector{0, 1, 2, 7, 4, 5});
}

TEST_CASE("what is no list of ranks is named") {
    for (const char* text : {"", ",", "1,", "a", "1-", "3-1", "-1", "1;2", "1,,2", "99999"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH_AS((void)blink::parse_ranks(text), doctest::Contains("list of ranks"), blink::usage_error);
    }
}

TEST_CASE("runs of three ranks become ranges") {
    CHECK(blink::format_ranks({}).empty());
    CHECK(blink::format_ranks({0, 1, 2, 3}) == "0-3");
    CHECK(blink::format_ranks({0, 1, 4}) == "0,1,4");
    CHECK(blink::format_ranks({6, 0, 1, 2, 4}) == "6,0-2,4");
    CHECK(blink::parse_ranks(blink::format_ranks({3, 2, 5, 6, 7, 0})) == std::vector{3, 2, 5, 6, 7, 0});
}

TEST_CASE("sizes and times read well") {
    CHECK(blink::format_bytes(0) == "0 B");
    CHECK(blink::format_bytes(1000) == "1000 B");
    CHECK(blink::format_bytes(1536) == "1.50 KiB");
    CHECK(blink::format_bytes(64U << 20) == "64 MiB");
    CHECK(blink::format_seconds(3.2e-6) == "3.20 us");
    CHECK(blink::format_seconds(1.25e-3) == "1.25 ms");
    CHECK(blink::format_seconds(2) == "2.00 s");
}
