// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/block_model.hpp>
#include <blink/execute/simulate/simulate.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "../../schedule/made_packings.hpp"

using blink::block_costs;
using blink::block_layout;
using blink::collective;

namespace {

constexpr double us = 1e-6;
constexpr std::size_t chunk = 100'000;
constexpr std::size_t bytes = 800 * chunk;
constexpr double chunk_seconds = 100'000 / 25e9; // 4 us on the links of made::world

block_layout each(const blink::schedule& s, int blocks) { return {std::vector<int>(s.lanes.size(), blocks), chunk, 4}; }

/// About `blocks` in all, dealt by the lanes' shares.
block_layout by_share(const blink::schedule& s, int blocks) {
    block_layout layout{{}, chunk, 4};
    for (const blink::lane& l : s.lanes) {
        layout.blocks.push_back(std::max(1, static_cast<int>(std::lround(l.share * blocks))));
    }
    return layout;
}

blink::block_times run(const made::world& w, int blocks, const block_costs& costs = {}) {
    const auto s = blink::make_schedule(w.packing);
    return blink::simulate_blocks(s, w.fabric, bytes, each(s, blocks), costs);
}

doctest::Approx exactly(double x) { return doctest::Approx(x).epsilon(1e-9); }

} // namespace

TEST_CASE("one block pays for its chunk, then waits until the link has carried it") {
    const auto t = run(made::chain(2, collective::broadcast), 1, {.chunk_us = 6, .latency_us = 2});
    CHECK(t.seconds == exactly(800 * (6 * us + chunk_seconds + 2 * us)));
    CHECK(t.GBps == exactly(bytes / t.seconds * 1e-9));
    // loads its input, stores it into both outputs
    const auto slow = run(made::chain(2, collective::broadcast), 1, {.block_GBps = 10});
    CHECK(slow.seconds == exactly(800 * (3 * chunk / 10e9 + chunk_seconds)));
    const auto called = run(made::chain(2, collective::broadcast), 1, {.call_us = 50});
    CHECK(called.seconds == exactly(800 * chunk_seconds + 50 * us));
}

TEST_CASE("who hands on in both directions has half of its threads for each") {
    // The middle loads its own input and its child's partial result and stores their sum; the root stores two copies.
    const block_costs costs{.block_GBps = 10, .both_ways = 2};
    const auto up = run(made::chain(3, collective::reduce), 1, costs);
    CHECK(up.seconds == doctest::Approx(800 * (3 * chunk / 10e9 + chunk_seconds)).epsilon(0.01));
    const auto both = run(made::chain(3, collective::allreduce), 1, costs);
    CHECK(both.seconds == doctest::Approx(800 * (2 * 3 * chunk / 10e9 + chunk_seconds)).epsilon(0.01));
    const auto down = run(made::chain(3, collective::broadcast), 1, costs);
    CHECK(down.seconds == doctest::Approx(800 * (3 * chunk / 10e9 + chunk_seconds)).epsilon(0.01));
}

TEST_CASE("what is combined costs more, and all blocks share the memory of a GPU that plays all ranks") {
    const auto sum = run(made::chain(2, collective::reduce), 1, {.chunk_us = 6, .combine_us = 14});
    CHECK(sum.seconds == doctest::Approx(800 * 20 * us).epsilon(0.01)); // the root's, longer than the leaf's 10
    CHECK(run(made::chain(2, collective::broadcast), 1, {.combine_us = 14}).seconds == exactly(800 * chunk_seconds));
    // Two blocks of a root each move a chunk three times, at a rate at which the link would be twice as fast.
    const auto shared = run(made::chain(2, collective::broadcast), 2, {.memory_GBps = 37.5});
    CHECK(shared.seconds == doctest::Approx(800 * 2 * chunk_seconds).epsilon(0.01));
    CHECK(run(made::chain(2, collective::broadcast), 2, {.memory_GBps = 300}).seconds ==
          doctest::Approx(800 * chunk_seconds).epsilon(0.01));
}

TEST_CASE("a layout may cut the lanes in another way than the schedule") {
    made::world w = made::chain(2, collective::broadcast);
    blink::packed_tree half = w.packing.trees[0];
    half.GBps = 12.5;
    w.packing.trees = {half, half};
    const auto s = blink::make_schedule(w.packing);
    block_layout layout = each(s, 1);
    layout.lane_bytes = {600 * chunk, 200 * chunk};
    const auto t = blink::simulate_blocks(s, w.fabric, bytes, layout);
    CHECK(t.seconds == exactly(800 * chunk_seconds));
    CHECK(t.lane_seconds[1] == doctest::Approx(400 * chunk_seconds).epsilon(0.01)); // in turns
    layout.lane_bytes = {bytes};
    CHECK_THROWS_AS((void)blink::simulate_blocks(s, w.fabric, bytes, layout), blink::usage_error);
}

TEST_CASE("blocks of a lane hide each other's costs until the link is full") {
    const auto w = made::chain(2, collective::broadcast);
    const block_costs costs{.chunk_us = 12};
    CHECK(run(w, 2, costs).seconds == doctest::Approx(400 * (12 * us + chunk_seconds)).epsilon(0.01));
    CHECK(run(w, 4, costs).seconds == doctest::Approx(800 * chunk_seconds).epsilon(0.01));
    CHECK(run(w, 8, costs).seconds == doctest::Approx(800 * chunk_seconds).epsilon(0.01));
}

TEST_CASE("a chain of blocks is a pipeline: another chunk a hop, in each direction") {
    for (const int ranks : {3, 5, 8}) {
        const double broadcast = (800 + ranks - 2) * chunk_seconds;
        CHECK(run(made::chain(ranks, collective::broadcast), 1).seconds == exactly(broadcast));
        CHECK(run(made::chain(ranks, collective::reduce), 1).seconds == exactly(broadcast));
        const double allreduce = (800 + 2 * (ranks - 1) - 1) * chunk_seconds;
        CHECK(run(made::chain(ranks, collective::allreduce), 1).seconds == exactly(allreduce));
    }
}

TEST_CASE("a star is a chunk's work for its middle and no more for the links") {
    CHECK(run(made::star(5, collective::broadcast), 1).seconds == exactly(800 * chunk_seconds));
    CHECK(run(made::star(5, collective::reduce), 1).seconds == exactly(800 * chunk_seconds));
}

TEST_CASE("a full slot makes the child wait until its parent has combined") {
    // The parent takes 20 us a chunk, the child 4 on the link besides.
    const auto w = made::chain(2, collective::reduce);
    const auto s = blink::make_schedule(w.packing);
    block_layout one = each(s, 1);
    one.slots = 1;
    const block_costs costs{.chunk_us = 20};
    // Without a second slot parent and child take turns, but the child's own work is inside the parent's.
    CHECK(blink::simulate_blocks(s, w.fabric, bytes, one, costs).seconds == exactly(800 * (40 * us + chunk_seconds)));
    one.slots = 2;
    CHECK(blink::simulate_blocks(s, w.fabric, bytes, one, costs).seconds ==
          doctest::Approx(800 * (20 * us + chunk_seconds)).epsilon(0.01));
}

TEST_CASE("lanes with the same number of blocks take turns on a link, and each lane's end is told") {
    made::world w = made::chain(2, collective::broadcast);
    blink::packed_tree half = w.packing.trees[0];
    half.GBps = 12.5;
    w.packing.trees = {half, half};
    const auto even = run(w, 2);
    CHECK(even.seconds == exactly(800 * chunk_seconds));
    REQUIRE(even.lane_seconds.size() == 2);
    CHECK(even.lane_seconds[0] == doctest::Approx(even.lane_seconds[1]).epsilon(0.01));
    w.packing.trees[0].GBps = 6.25;
    w.packing.trees[1].GBps = 18.75;
    const auto uneven = run(w, 2);
    CHECK(uneven.seconds == exactly(800 * chunk_seconds));
    CHECK(uneven.lane_seconds[0] == doctest::Approx(uneven.seconds / 2).epsilon(0.01));
}

TEST_CASE("who polls longer than its patience looks into the host's memory, and sees a chunk late") {
    // Chunks come every 10 us. Seen at 12, 24 and 30 us, and so on: looks last from 7 to 12 and from 19 to 24 us, and
    // the third chunk comes before the next look.
    const auto w = made::chain(2, collective::broadcast);
    const auto t = run(w, 1, {.chunk_us = 6, .patience_us = 7, .look_us = 5});
    CHECK(t.seconds == exactly((798 * 10 + 24) * us));
    const block_costs patient{.chunk_us = 6, .patience_us = 1e6, .look_us = 5};
    CHECK(run(w, 1, patient).seconds == exactly(800 * 10 * us));
    for (const int ranks : {3, 6}) {
        const auto deep = made::chain(ranks, collective::allreduce);
        CHECK(run(deep, 3, patient).seconds == exactly(run(deep, 3, {.chunk_us = 6}).seconds));
    }
}

TEST_CASE("looks of all blocks follow one another") {
    // Eight blocks of a chunk each: chunks come by 32 us, but all have begun to look at 3 us.
    const auto w = made::chain(2, collective::broadcast);
    const auto s = blink::make_schedule(w.packing);
    const auto at = [&](const block_costs& costs) {
        return blink::simulate_blocks(s, w.fabric, 8 * chunk, each(s, 8), costs).seconds;
    };
    CHECK(at({}) == exactly(8 * chunk_seconds));
    CHECK(at({.patience_us = 3, .look_us = 10}) == exactly((3 + 8 * 10) * us));
}

TEST_CASE("the trees of a DGX-1V come close to what the fluid model says, and end together") {
    std::vector<int> gpus(8);
    std::iota(gpus.begin(), gpus.end(), 0);
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const auto p = blink::make_plan(blink::topology(blink::dgx1v), gpus, kind, 0);
        const auto t =
            blink::simulate_blocks(p.schedule, p.fabric, 500'000'000, by_share(p.schedule, 48), {.chunk_us = 5});
        CHECK(t.GBps ==
              doctest::Approx(blink::simulate_best_chunk(p.schedule, p.fabric, 500'000'000).GBps).epsilon(0.05));
        const auto [first, last] = std::ranges::minmax(t.lane_seconds);
        CHECK(first > 0.95 * last);
    }
}

TEST_CASE("shards go over the trees of their owners") {
    const auto w = made::random(4, 6, collective::allreduce, 3);
    const auto p = blink::make_plan(blink::topology(blink::dgx1v), std::vector<int>{0, 1, 2, 3}, collective::allgather);
    const auto t = blink::simulate_blocks(p.schedule, p.fabric, bytes, by_share(p.schedule, 48));
    CHECK(t.GBps == doctest::Approx(p.packing.GBps).epsilon(0.05));
    CHECK(run(w, 3).seconds == run(w, 3).seconds);
}

TEST_CASE("what the block model cannot take is refused") {
    const auto w = made::chain(3, collective::allreduce);
    auto s = blink::make_schedule(w.packing);
    const auto with = [&](const block_layout& layout, const block_costs& costs = {}) {
        return blink::simulate_blocks(s, w.fabric, bytes, layout, costs);
    };
    CHECK_THROWS_AS((void)with({{}, chunk, 4}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{0}, chunk, 4}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, 0, 4}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 0}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}, {.chunk_us = -1}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}, {.block_GBps = 0}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}, {.patience_us = 0}), blink::usage_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}, {.look_us = -1}), blink::usage_error);
    const auto other = made::chain(4, collective::allreduce);
    CHECK_THROWS_AS((void)blink::simulate_blocks(s, other.fabric, bytes, each(s, 1)), blink::schedule_error);
    CHECK(with({{1}, chunk, 4}).seconds > 0);
    CHECK(blink::simulate_blocks(s, w.fabric, 0, each(s, 1)).seconds == 0);
    s.lanes[0].roles[1].broadcast_to.clear();
    s.lanes[0].roles[2].reduce_to = blink::no_rank;
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}), blink::schedule_error);
    CHECK_THROWS_AS((void)with({{1}, chunk, 4}, {.patience_us = 1, .look_us = 1}), blink::schedule_error);
}
