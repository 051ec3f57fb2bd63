// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/host/compile.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "made_schedules.hpp"

using blink::collective;
using blink::host::compile;
using blink::host::place;

namespace {

/// A chain 0 <- 1 <- 2 in one lane, to be broken.
blink::schedule chain() {
    blink::packing p;
    p.ranks = 3;
    p.GBps = 25;
    p.trees.push_back({0, 25, {{0, 1, -1, -1}, {1, 2, -1, -1}}});
    return blink::make_schedule(p);
}

} // namespace

TEST_CASE("a chain is combined from its end, own contribution first, and handed back down") {
    const auto compiled = compile(chain());
    REQUIRE(compiled.lanes.size() == 1);
    const auto& steps = compiled.lanes[0];
    REQUIRE(steps.up.size() == 2);
    CHECK(steps.slots == 1);
    CHECK(steps.up[0].rank == 1);
    CHECK(steps.up[0].to == place{place::kind::slot, 0});
    CHECK(steps.up[0].operands == std::vector<place>{{place::kind::input, 1}, {place::kind::input, 2}});
    CHECK(steps.up[1].to == place{place::kind::output, 0});
    CHECK(steps.up[1].operands == std::vector<place>{{place::kind::input, 0}, {place::kind::slot, 0}});
    REQUIRE(steps.down.size() == 2);
    CHECK(steps.down[1].from == place{place::kind::output, 1});
    CHECK(steps.down[1].to == place{place::kind::output, 2});
}

TEST_CASE("no step reads a slot that nobody filled, and slots are fewer than ranks") {
    for (unsigned seed = 0; seed < 50; ++seed) {
        const auto compiled = compile(made::random_trees(collective::reduce, 16, 2, seed, 3));
        for (const auto& steps : compiled.lanes) {
            std::vector<bool> full(static_cast<std::size_t>(steps.slots), false);
            std::vector<int> read_input(16, 0);
            for (const auto& step : steps.up) {
                for (const place& p : step.operands) {
                    if (p.in == place::kind::input) { ++read_input[static_cast<std::size_t>(p.index)]; }
                    if (p.in == place::kind::slot) {
                        CHECK(full[static_cast<std::size_t>(p.index)]);
                        full[static_cast<std::size_t>(p.index)] = false;
                    }
                }
                if (step.to.in == place::kind::slot) {
                    CHECK_FALSE(full[static_cast<std::size_t>(step.to.index)]);
                    full[static_cast<std::size_t>(step.to.index)] = true;
                }
            }
            CHECK(read_input == std::vector<int>(16, 1));
            CHECK(std::ranges::find(full, true) == full.end());
            CHECK(steps.slots < 8);
        }
    }
}

TEST_CASE("a contribution that never reaches the root is found before anything moves") {
    auto s = chain();
    s.lanes[0].roles[1].reduce_from.clear();
    CHECK_THROWS_WITH_AS(compile(s), "allreduce, lane 0: rank 2 never reaches the root: its contribution is lost",
                         blink::schedule_error);
}

TEST_CASE("a rank that waits for ever is found before anything moves") {
    SUBCASE("nobody sends to it") {
        auto s = chain();
        s.lanes[0].roles[1].broadcast_to.clear();
        CHECK_THROWS_WITH_AS(compile(s), "allreduce, lane 0: rank 2 never gets the result: it waits for ever",
                             blink::schedule_error);
    }
    SUBCASE("it waits for a child that sends to another") {
        auto s = chain();
        s.lanes[0].roles[2].reduce_to = 0;
        CHECK_THROWS_WITH_AS(compile(s),
                             "allreduce, lane 0: rank 1 and rank 2 do not agree: one of them waits for ever",
                             blink::schedule_error);
    }
    SUBCASE("two ranks wait for each other") {
        auto s = chain();
        auto& roles = s.lanes[0].roles;
        roles[0].reduce_from.clear();
        roles[1].reduce_to = 2;
        roles[2].reduce_from = {1};
        roles[2].reduce_to = 1;
        CHECK_THROWS_AS(compile(s), blink::schedule_error);
    }
    SUBCASE("the root waits for a parent") {
        auto s = chain();
        s.lanes[0].roles[0].broadcast_from = 2;
        CHECK_THROWS_WITH_AS(compile(s), doctest::Contains("rank 0 is the root, yet has the parent 2"),
                             blink::schedule_error);
    }
}

TEST_CASE("a doubled contribution, unknown ranks and wrong shapes are refused by name") {
    auto s = chain();
    SUBCASE("child twice") { s.lanes[0].roles[0].reduce_from = {1, 1}; }
    SUBCASE("unknown child") { s.lanes[0].roles[0].reduce_from = {1, 7}; }
    SUBCASE("negative child") { s.lanes[0].roles[1].broadcast_to = {-1}; }
    SUBCASE("too few roles") { s.lanes[0].roles.pop_back(); }
    SUBCASE("unknown root") { s.lanes[0].root = 3; }
    SUBCASE("no lanes") { s.lanes.clear(); }
    SUBCASE("shares that do not add up") { s.lanes[0].share = 0.5; }
    SUBCASE("no number as a share") { s.lanes[0].share = std::numeric_limits<double>::quiet_NaN(); }
    SUBCASE("no ranks") { s.ranks = 0; }
    SUBCASE("a lane with another root than the collective") {
        s = made::random_trees(collective::reduce, 3, 1, 1, 2);
        s.root = 1;
    }
    CHECK_THROWS_AS(compile(s), blink::schedule_error);
}

TEST_CASE("a sharded collective needs lanes from every root") {
    auto s = chain();
    s.kind = collective::allgather;
    CHECK_THROWS_WITH_AS(compile(s), "allgather: the lanes of root 0 do not carry its shard", blink::schedule_error);
}
