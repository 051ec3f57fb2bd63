// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/error.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

static_assert(std::is_base_of_v<std::runtime_error, blink::error>);
static_assert(std::is_base_of_v<blink::error, blink::usage_error>);
static_assert(std::is_base_of_v<blink::error, blink::topology_error>);
static_assert(std::is_base_of_v<blink::error, blink::plan_error>);
static_assert(std::is_base_of_v<blink::error, blink::schedule_error>);
static_assert(std::is_base_of_v<blink::error, blink::cuda_error>);
static_assert(std::is_base_of_v<blink::error, blink::timeout_error>);
static_assert(std::is_base_of_v<blink::error, blink::aborted_error>);

TEST_CASE("a topology error says file, line and what was expected") {
    const blink::topology_error e{"box.json", 7, "found X, expected Y"};
    CHECK(std::string(e.what()) == "box.json:7: found X, expected Y");
    CHECK(e.file() == "box.json");
    CHECK(e.line() == 7);
}

TEST_CASE("a topology error without a place has no file and line 0") {
    const blink::topology_error e{"no GPU"};
    CHECK(std::string(e.what()) == "no GPU");
    CHECK(e.file().empty());
    CHECK(e.line() == 0);
}

TEST_CASE("the words of what a call throws; errors of others pass") {
    CHECK(blink::text_thrown_by([] { throw blink::peer_lost_error(2, "rank 2's process ended"); }) ==
          "rank 2's process ended");
    CHECK(blink::text_thrown_by([] {}).empty());
    CHECK_THROWS_AS((void)blink::text_thrown_by([] { throw std::runtime_error("not ours"); }), std::runtime_error);
}
