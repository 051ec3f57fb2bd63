// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/chunk.hpp>
#include <blink/schedule/miad_search.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <type_traits>

using namespace blink::literals;

static_assert(std::is_trivially_copyable_v<blink::miad_search>, "kernels take and keep it as bytes");

TEST_CASE("a search counts the median of its samples, whatever their order") {
    for (const bool ascending : {false, true}) {
        blink::miad_search search({.samples = 5});
        const double low_first[] = {1, 2, 10, 11, 99};
        for (int i = 0; i < 5; ++i) {
            CHECK(search.chunk_bytes() == 1_MiB);
            search.observe(low_first[ascending ? i : 4 - i]);
        }
        CHECK(search.best_GBps() == 10);
        CHECK(search.chunk_bytes() == 2_MiB);
    }
}

TEST_CASE("a search takes as many samples as it may be given") {
    blink::miad_search search({.samples = blink::miad_options::most_samples});
    for (int i = 0; i < blink::miad_options::most_samples; ++i) {
        CHECK(search.best_GBps() == 0);
        search.observe(20 - i);
    }
    CHECK(search.best_GBps() == 13); // of 5 .. 20 the upper one in the middle
}

TEST_CASE("a search that begins anew starts from the best size, and forgets samples that are not complete") {
    blink::miad_search search({.samples = 2});
    for (const double GBps : {5.0, 5.0, 4.0}) { search.observe(GBps); }
    CHECK(search.chunk_bytes() == 2_MiB);
    search.restart();
    CHECK(search.chunk_bytes() == 1_MiB);
    CHECK(search.best_GBps() == 0);
    for (const double GBps : {7.0, 7.0}) { search.observe(GBps); }
    CHECK(search.best_GBps() == 7);
}

TEST_CASE("a choice tells what a MIAD searches by, and nothing of other policies") {
    const blink::chunk_choice by_value = blink::miad_chunk({.start = 2_MiB});
    REQUIRE(by_value.search_options() != nullptr);
    CHECK(by_value.search_options()->start == 2_MiB);
    const blink::chunk_choice shared = std::make_shared<blink::miad_chunk>(blink::miad_options{.samples = 7});
    CHECK(shared.search_options()->samples == 7);
    CHECK(blink::chunk_choice().search_options() == nullptr);
    CHECK(blink::chunk_choice(blink::fixed_chunk{64_KiB}).search_options() == nullptr);
    CHECK(blink::chunk_choice(blink::automatic_chunk{}).search_options() == nullptr);
}
