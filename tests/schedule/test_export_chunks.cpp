// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/export_chunks.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "made_schedules.hpp"

using namespace blink;

namespace {

schedule with_shares(const std::vector<double>& shares) {
    schedule s{collective::allreduce, 2, 0, {}};
    for (const double share : shares) { s.lanes.push_back({0, share, std::vector<role>(2)}); }
    return s;
}

} // namespace

TEST_CASE("shares that are whole numbers of few chunks are met exactly") {
    const export_chunks half = cut_for_export(with_shares({0.5, 0.25, 0.25}), {});
    CHECK(half.whole == 4);
    CHECK(half.count == std::vector<int>{2, 1, 1});
    CHECK(half.first == std::vector<int>{0, 2, 3});
    CHECK(half.slowdown == 1);
    CHECK(cut_for_export(with_shares({1}), {}).whole == 1);
}

TEST_CASE("other shares cost as little as the chunks allow") {
    const schedule thirds = with_shares({2.0 / 3, 1.0 / 3});
    const export_chunks fine = cut_for_export(thirds, {.tolerance = 0});
    CHECK(fine.whole == 64);
    CHECK(fine.count == std::vector<int>{43, 21});
    CHECK(fine.slowdown == doctest::Approx(43 / (64 * 2.0 / 3)));
    CHECK(cut_for_export(thirds, {.tolerance = 0.05}).whole == 16);
    CHECK(cut_for_export(thirds, {.max_chunks = 4}).count == std::vector<int>{3, 1});
}

TEST_CASE("every lane has a chunk, and all chunks are given out") {
    for (unsigned seed = 0; seed < 50; ++seed) {
        CAPTURE(seed);
        const schedule s = made::random_trees(collective::allreduce, 4, 1 + static_cast<int>(seed % 9), seed);
        const export_chunks cut = cut_for_export(s, {});
        CHECK(std::accumulate(cut.count.begin(), cut.count.end(), 0) == cut.whole);
        CHECK(*std::ranges::min_element(cut.count) >= 1);
        CHECK(cut.slowdown >= 1);
    }
    CHECK(cut_for_export(with_shares({0.999, 0.0005, 0.0005}), {.max_chunks = 4}).count == std::vector<int>{2, 1, 1});
}

TEST_CASE("the lanes of each root cut its shard") {
    const export_chunks cut = cut_for_export(made::random_forest(collective::allgather, 3, 2, 1), {});
    CHECK(cut.whole == 2);
    CHECK(cut.first == std::vector<int>{0, 1, 0, 1, 0, 1});
}

TEST_CASE("what cannot be cut is refused") {
    CHECK_THROWS_WITH_AS((void)cut_for_export(with_shares({0.5, 0.5}), {.max_chunks = 0}),
                         "export of allreduce: max_chunks is 0, expected 1 to 64", usage_error);
    CHECK_THROWS_WITH_AS((void)cut_for_export(with_shares({0.5, 0.5}), {.max_chunks = 1}),
                         "export of allreduce: 2 trees do not fit into 1 chunks; plan with fewer trees", usage_error);
    CHECK_THROWS_WITH_AS((void)cut_for_export(schedule{collective::allreduce, 1, 0, {}}, {}),
                         "export of allreduce among 1 ranks: expected 2 or more", usage_error);
}
