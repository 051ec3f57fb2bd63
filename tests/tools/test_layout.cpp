// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "ceiling.hpp"
#include "layout.hpp"

namespace {

using blink_perf::movement;

blink_perf::job made_job(blink::collective kind, bool in_place, movement moves = movement::none) {
    blink_perf::job j;
    j.count = 100;
    j.in_place = in_place;
    j.data.kind = kind;
    j.data.moves = moves;
    j.data.ranks = 4;
    j.data.root = 2;
    j.data.count = j.count;
    return j;
}

std::vector<std::size_t> places(const blink_perf::job& j, int rank) {
    const blink_perf::layout l = layout_of(j, rank);
    return {l.first, l.second, l.in_at, l.out_at};
}

using list = std::vector<std::size_t>;

} // namespace

TEST_CASE("out of place the input has a buffer and the output another") {
    CHECK(places(made_job(blink::collective::allreduce, false), 3) == list{100, 100, 0, 0});
    CHECK(places(made_job(blink::collective::allgather, false), 3) == list{100, 400, 0, 0});
    CHECK(places(made_job(blink::collective::reduce_scatter, false), 3) == list{400, 100, 0, 0});
    CHECK(places(made_job(blink::collective::allreduce, false, movement::alltoall), 1) == list{400, 400, 0, 0});
}

TEST_CASE("in place a rank's shard lies where it belongs in the whole") {
    CHECK(places(made_job(blink::collective::allreduce, true), 3) == list{100, 0, 0, 0});
    CHECK(places(made_job(blink::collective::reduce, true), 1) == list{100, 0, 0, 0});
    CHECK(places(made_job(blink::collective::allgather, true), 3) == list{400, 0, 300, 0});
    CHECK(places(made_job(blink::collective::reduce_scatter, true), 3) == list{400, 0, 0, 300});
}

TEST_CASE("of a rooted exchange in place the root alone has the whole") {
    CHECK(places(made_job(blink::collective::broadcast, true, movement::gather), 2) == list{400, 0, 200, 0});
    CHECK(places(made_job(blink::collective::broadcast, true, movement::gather), 1) == list{400, 0, 0, 0});
    CHECK(places(made_job(blink::collective::broadcast, true, movement::scatter), 2) == list{400, 0, 0, 200});
    CHECK(places(made_job(blink::collective::broadcast, true, movement::scatter), 3) == list{400, 0, 0, 0});
}

TEST_CASE("the ceiling is what NVLink carries away from the worst connected GPU") {
    blink::topology direct("three", 3);
    direct.connect({0, 1, 50, 2, blink::link_kind::nvlink, 0});
    direct.connect({1, 2, 25, 1, blink::link_kind::nvlink, 0});
    direct.connect({0, 2, 10, 1, blink::link_kind::pcie, 0});
    CHECK(blink_perf::nvlink_ceiling_GBps(direct, std::vector{0, 1}) == 50);
    CHECK(blink_perf::nvlink_ceiling_GBps(direct, std::vector{0, 1, 2}) == 25);
    CHECK(blink_perf::nvlink_ceiling_GBps(direct, std::vector{0, 2}) == 0);

    blink::topology switched("switched", 2, {blink::vertex_kind::nvswitch});
    switched.connect({0, 2, 450, 18, blink::link_kind::nvlink, 0});
    switched.connect({1, 2, 450, 18, blink::link_kind::nvlink, 0});
    CHECK(blink_perf::nvlink_ceiling_GBps(switched, std::vector{0, 1}) == 450);
}
