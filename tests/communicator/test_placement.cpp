// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where ranks and relays of one process are, and what is wrong with places that do not fit.
#include <blink/communicator/options.hpp>
#include <blink/communicator/placement.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/packing/packing.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace blink;

TEST_CASE("the machine is the one that is named, and a DGX-1V for virtual ranks") {
    const topology pair("pair", 2);
    CHECK(machine_of({.machine = pair}) == pair);
    CHECK(machine_of({.machine = pair, .virtual_ranks = 2}) == pair);
    CHECK(machine_of({.virtual_ranks = 2}) == topology(dgx1v));
}

TEST_CASE("ranks have the GPUs of the machine, in order, unless others are named") {
    const placement all = place_ranks({}, 4, 8);
    CHECK(all.gpus == std::vector{0, 1, 2, 3});
    CHECK(all.devices == all.gpus);

    const placement some = place_ranks({.gpus = {3, 1}}, 4, 8);
    CHECK(some.gpus == std::vector{3, 1});
    CHECK(some.devices == some.gpus);

    const placement named = place_ranks({.gpus = {3, 1}, .devices = {0, 5}}, 4, 8);
    CHECK(named.gpus == std::vector{3, 1});
    CHECK(named.devices == std::vector{0, 5});
}

TEST_CASE("ranks of a machine that is played are on the first devices") {
    CHECK(place_ranks({.machine = topology(dgx1v), .gpus = {5, 7}}, 8, 2).devices == std::vector{0, 1});
    CHECK(place_ranks({.machine = topology(dgx1v), .gpus = {1, 5, 6, 7}, .virtual_ranks = 2}, 8, 2).devices ==
          std::vector{0, 0, 1, 1});
}

TEST_CASE("a relay is the GPU of its number, a spare device, or shares one") {
    const placement own = place_ranks({.gpus = {0, 1}}, 4, 4);
    CHECK(own.relay_device(3, 0) == 3);
    CHECK_THROWS_WITH_AS((void)own.relay_device(4, 0),
                         "relay 4 would be CUDA device 4, which this process does not see", plan_error);

    const placement spare = place_ranks({.machine = topology(dgx1v), .gpus = {1, 4}}, 8, 3);
    CHECK(spare.relay_device(7, 0) == 2);
    CHECK_THROWS_AS((void)spare.relay_device(7, 1), plan_error);

    // Two ranks on each of two devices, which take turns.
    const placement shared = place_ranks({.machine = topology(dgx1v), .gpus = {1, 4, 5, 6}, .virtual_ranks = 2}, 8, 2);
    CHECK(shared.relay_device(7, 0) == 0);
    CHECK(shared.relay_device(2, 1) == 1);
    CHECK(shared.relay_device(3, 2) == 0);
}

TEST_CASE("places that do not fit are refused in words") {
    CHECK_THROWS_WITH_AS((void)place_ranks({.ranks = 3, .gpus = {0, 1}}, 4, 4), "cuda_group: 3 ranks on 2 GPUs",
                         usage_error);
    CHECK_THROWS_WITH_AS((void)place_ranks({.gpus = {0, 1}, .devices = {0}}, 4, 4),
                         "cuda_group: 1 devices are named for 2 ranks", usage_error);
    CHECK_THROWS_WITH_AS((void)place_ranks({.gpus = {0, 1}, .devices = {0, 1}, .virtual_ranks = 2}, 4, 4),
                         "cuda_group: 2 devices are named for 2 virtual ranks", usage_error);
    CHECK_THROWS_WITH_AS((void)place_ranks({.gpus = {0, 1}, .devices = {0, -1}}, 4, 4),
                         "cuda_group: there is no CUDA device -1", usage_error);
    CHECK_THROWS_WITH_AS(
        (void)place_ranks({}, 4, 2),
        "cuda_group: 4 ranks need 4 GPUs (at most 16 ranks), 2 are visible: put several ranks on a GPU "
        "with virtual_ranks",
        usage_error);
    CHECK_THROWS_AS((void)place_ranks({.ranks = 17, .virtual_ranks = 17}, 17, 1), usage_error);
}

TEST_CASE("every edge has to be reached in both directions") {
    packing chain;
    chain.kind = collective::allreduce;
    chain.ranks = 3;
    chain.GBps = 1;
    chain.trees = {{0, 1.0, {{0, 1, -1, -1}, {1, 2, -1, -1}}}};
    const schedule s = make_schedule(chain);
    CHECK_NOTHROW(check_reach(s, 3, {4, 5, 6}, [](int, int) { return true; }));
    CHECK_THROWS_WITH_AS(check_reach(s, 3, {4, 5, 6}, [](int from, int to) { return !(from == 6 && to == 5); }),
                         "rank 2 (GPU 6) cannot store into memory of rank 1 (GPU 5): no peer access", plan_error);
    CHECK_THROWS_WITH_AS(check_reach(s, 2, {4, 5, 6}, [](int from, int to) { return !(from == 5 && to == 6); }),
                         "rank 1 (GPU 5) cannot store into memory of a relay (GPU 6): no peer access", plan_error);
    CHECK_NOTHROW(check_reach(s, 3, {4, 5, 6}, [](int from, int to) { return from - to < 2 && to - from < 2; }));
}
