// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/program.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "made_packings.hpp"

using blink::action;
using blink::collective;
using blink::phase;
using blink::step;

namespace {

const blink::worker* find(const blink::program& p, int rank, phase ph) {
    for (const blink::worker& w : p.workers) {
        if (w.rank == rank && w.phase == ph) { return &w; }
    }
    return nullptr;
}

} // namespace

TEST_CASE("an allreduce up a chain and down again is written out chunk by chunk") {
    const auto s = blink::make_schedule(made::chain(3, collective::allreduce).packing);
    const blink::program p = blink::expand(s, 2);
    CHECK(p.chunks == std::vector<int>{2});
    REQUIRE(p.workers.size() == 6);
    CHECK(find(p, 2, phase::up)->steps == std::vector<step>{{action::send, 1, 0}, {action::send, 1, 1}});
    CHECK(find(p, 1, phase::up)->steps == std::vector<step>{{action::receive_reduce, 2, 0},
                                                            {action::send, 0, 0},
                                                            {action::receive_reduce, 2, 1},
                                                            {action::send, 0, 1}});
    CHECK(find(p, 0, phase::up)->steps == std::vector<step>{{action::receive_reduce, 1, 0},
                                                            {action::finish, -1, 0},
                                                            {action::receive_reduce, 1, 1},
                                                            {action::finish, -1, 1}});
    CHECK(find(p, 0, phase::down)->steps == std::vector<step>{{action::send, 1, 0}, {action::send, 1, 1}});
    CHECK(find(p, 2, phase::down)->steps == std::vector<step>{{action::receive, 1, 0}, {action::receive, 1, 1}});
}

TEST_CASE("a broadcast has no up phase and a reduce no down phase") {
    const auto b = blink::expand(blink::make_schedule(made::star(4, collective::broadcast).packing), 1);
    CHECK(b.workers.size() == 4);
    CHECK(find(b, 0, phase::down)->steps ==
          std::vector<step>{{action::send, 1, 0}, {action::send, 2, 0}, {action::send, 3, 0}});
    CHECK(find(b, 0, phase::up) == nullptr);
    const auto r = blink::expand(blink::make_schedule(made::star(4, collective::reduce).packing), 1);
    CHECK(find(r, 0, phase::up)->steps.back() == step{action::finish, -1, 0});
    CHECK(find(r, 0, phase::down) == nullptr);
}

TEST_CASE("lanes may have different numbers of chunks, none included") {
    const auto s = blink::make_schedule(made::random(5, 3, collective::allreduce, 1).packing);
    const std::vector<int> chunks{2, 0, 1};
    const auto p = blink::expand(s, chunks);
    CHECK(p.chunks == chunks);
    for (const blink::worker& w : p.workers) { CHECK(w.lane != 1); }
    CHECK_THROWS_WITH_AS((void)blink::expand(s, std::vector<int>{1, 2}), "expand: 2 chunk counts for 3 lanes",
                         blink::schedule_error);
    CHECK_THROWS_WITH_AS((void)blink::expand(s, std::vector<int>{1, -2, 1}), "expand: lane 1 has -2 chunks",
                         blink::schedule_error);
}

TEST_CASE("the last chunk may be short and no bytes need no chunk") {
    CHECK(blink::chunk_count(0, 10) == 0);
    CHECK(blink::chunk_count(1, 10) == 1);
    CHECK(blink::chunk_count(10, 10) == 1);
    CHECK(blink::chunk_count(11, 10) == 2);
    CHECK_THROWS_AS((void)blink::chunk_count(1, 0), blink::usage_error);
}
