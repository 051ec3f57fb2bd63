// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/load.hpp>

#include <doctest/doctest.h>

#include <string>

#include "made_packings.hpp"

using blink::collective;

TEST_CASE("six trees fill every link that does not enter the root of a DGX-1V, as packed") {
    const auto [fabric, packing] = made::dgx1v_broadcast();
    const auto s = blink::make_schedule(packing);
    CHECK(packing.GBps == 150);
    CHECK_NOTHROW(blink::verify_load(s, fabric, packing.GBps));
    CHECK_NOTHROW(blink::verify_load(s, fabric, packing));
    const auto load = blink::link_load(s, fabric, packing.GBps);
    for (std::size_t l = 0; l < load.size(); ++l) {
        CAPTURE(fabric.links[l].from);
        CAPTURE(fabric.links[l].to);
        CHECK(load[l] == doctest::Approx(fabric.links[l].to == 0 ? 0 : fabric.links[l].GBps));
    }
}

TEST_CASE("all made packings have the load that they promise") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        for (unsigned seed = 1; seed <= 5; ++seed) {
            const auto [fabric, packing] = made::random(7, 5, kind, seed);
            CHECK_NOTHROW(blink::verify_load(blink::make_schedule(packing), fabric, packing));
        }
    }
}

TEST_CASE("a rate above the capacity of a link is refused by the link's name") {
    const auto [fabric, packing] = made::chain(3, collective::broadcast);
    CHECK_THROWS_WITH_AS(blink::verify_load(blink::make_schedule(packing), fabric, 26),
                         "link 0 -> 1 has 25.000000 GB/s and would carry 26.000000", blink::schedule_error);
}

TEST_CASE("a load other than the packing promised is refused") {
    const auto [fabric, packing] = made::random(4, 3, collective::allreduce, 2);
    auto s = blink::make_schedule(packing);
    std::swap(s.lanes[0].share, s.lanes[1].share);
    REQUIRE(s.lanes[0].share != s.lanes[1].share);
    CHECK_THROWS_AS(blink::verify_load(s, fabric, packing), blink::schedule_error);
    auto foreign = packing;
    foreign.trees[0].edges[0].down = 99;
    CHECK_THROWS_AS((void)blink::link_load(foreign, fabric), blink::plan_error);
}

TEST_CASE("a role has to name the hop that it takes") {
    const auto [fabric, packing] = made::chain(3, collective::reduce);
    auto s = blink::make_schedule(packing);
    s.lanes[0].roles[2].reduce_arc = -1;
    CHECK_THROWS_WITH_AS(blink::verify_load(s, fabric, 25),
                         "rank 2, lane 0: 2 -> 1 is said to be hop -1, which the fabric does not have",
                         blink::schedule_error);
    s.lanes[0].roles[2].reduce_arc = made::hop(fabric, 1, 2);
    CHECK_THROWS_AS(blink::verify_load(s, fabric, 25), blink::schedule_error);
}
