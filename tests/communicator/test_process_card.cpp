// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What processes tell each other before they start.
#include <blink/communicator/plan_key.hpp>
#include <blink/communicator/process_card.hpp>
#include <blink/core/error.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using blink::process_card;

namespace {

/// Cards of ranks that fit together, each with a GPU of its own.
std::vector<process_card> made_up(int ranks) {
    std::vector<process_card> cards;
    for (int r = 0; r < ranks; ++r) {
        process_card c = blink::make_process_card({});
        c.process = std::to_string(r);
        c.bus_id = "0000:1" + std::to_string(r) + ":00.0";
        c.gpu = "H200";
        c.multiprocessors = 132;
        c.compute_capability = 90;
        cards.push_back(c);
    }
    return cards;
}

} // namespace

TEST_CASE("a card survives the way to another process") {
    const std::vector<process_card> cards = made_up(2);
    const process_card there = process_card::unpacked(cards[1].packed());
    CHECK(there.packed() == cards[1].packed());
    CHECK(there.bus_id == "0000:11:00.0");
    CHECK(there.multiprocessors == 132);
    CHECK_FALSE(there.host.empty());
    CHECK(blink::make_process_card({}).process == blink::make_process_card({}).process);
    CHECK_THROWS_AS((void)process_card::unpacked(cards[1].packed().substr(0, 30)), blink::rendezvous_error);
    CHECK_THROWS_AS((void)process_card::unpacked(""), blink::rendezvous_error);
}

TEST_CASE("what does not fit together is refused with the rank") {
    blink::check_cards(made_up(4));
    const auto refused = [](auto change, const char* text) {
        std::vector<process_card> cards = made_up(3);
        change(cards);
        CHECK_THROWS_WITH_AS(blink::check_cards(cards), doctest::Contains(text), blink::usage_error);
    };
    refused([](auto& c) { c[2].host = "elsewhere"; }, "rank 2 and rank 0 are on different machines");
    refused([](auto& c) { c[1].version = "0.0.9"; }, "rank 1 and rank 0 have different versions of Blink: 0.0.9 and");
    refused([](auto& c) { c[2].process = c[1].process; }, "rank 2 and rank 1 are in one process");
    refused([](auto& c) { c[1].choices = blink::make_process_card({.blocks = 3}).choices; },
            "rank 1 and rank 0 were given different options");
    const std::vector<blink::process_options> different{{.blocks = 3},
                                                        {.copy_room = true},
                                                        {.gpus = {1, 0}},
                                                        {.timeout = std::chrono::milliseconds{5}},
                                                        {.machine = blink::topology(blink::dgx1v)},
                                                        {.machine = blink::topology(blink::dgx1p)}};
    for (const auto& a : different) {
        for (const auto& b : different) {
            CHECK((&a == &b) == (blink::make_process_card(a).choices == blink::make_process_card(b).choices));
        }
        CHECK(blink::make_process_card(a).choices != blink::make_process_card({}).choices);
    }
    CHECK(blink::make_process_card({.device = 3}).choices == blink::make_process_card({}).choices);
}

TEST_CASE("ranks that share a GPU, or have different ones, agree on blocks that all can hold") {
    std::vector<process_card> cards = made_up(4);
    CHECK(blink::most_on_one_gpu(cards) == 1);
    CHECK(blink::common_blocks(cards, 0) == 0);
    CHECK(blink::common_blocks(cards, 200) == 200);
    cards[3].multiprocessors = 100;
    CHECK(blink::common_blocks(cards, 0) == 100);
    CHECK(blink::common_blocks(cards, 7) == 7);
    cards = made_up(4);
    cards[0].bus_id = cards[2].bus_id = cards[1].bus_id;
    CHECK(blink::most_on_one_gpu(cards) == 3);
    CHECK(blink::common_blocks(cards, 0) == 44);
    CHECK(blink::common_blocks(cards, 60) == 44);
    cards[1].multiprocessors = 2;
    CHECK(blink::common_blocks(cards, 0) == 1);
}

TEST_CASE("the machine is the one that is named, or equal GPUs where ranks share one") {
    std::vector<process_card> cards = made_up(3);
    const blink::topology named =
        blink::machine_from(blink::machine_json(cards, {.machine = blink::topology(blink::dgx1v)}));
    CHECK(named.name() == "dgx1v");
    CHECK(named.gpu_count() == 8);
    for (auto& c : cards) { c.bus_id = cards[0].bus_id; }
    const blink::topology equal = blink::machine_from(blink::machine_json(cards, {}));
    CHECK(equal.gpu_count() == 3);
    const std::vector<int> all{0, 1, 2};
    for (const auto kind : {blink::collective::allreduce, blink::collective::allgather}) {
        CHECK(blink::make_plan(equal, all, kind).schedule.ranks == 3);
    }
}

TEST_CASE("plans that differ have different names or digests") {
    const blink::topology machine(blink::dgx1v);
    const std::vector<int> four{0, 1, 2, 3};
    const std::vector<int> other{0, 1, 2, 4};
    const auto digest = [&](const std::vector<int>& gpus, int trees) {
        return blink::digest_of(
            blink::make_plan(machine, gpus, blink::collective::allreduce, 0, {.pack = {.max_trees = trees}}).schedule);
    };
    CHECK(digest(four, 0) == digest(four, 0));
    CHECK(digest(four, 0) != digest(other, 0));
    CHECK(digest(four, 0) != digest(four, 1));
    blink::schedule s = blink::make_plan(machine, four, blink::collective::broadcast, 1).schedule;
    const auto before = blink::digest_of(s);
    s.lanes[0].share += 1e-12;
    CHECK(blink::digest_of(s) != before);
    CHECK(blink::name_of(blink::key_of(blink::collective::broadcast, 2, {})) !=
          blink::name_of(blink::key_of(blink::collective::broadcast, 1, {})));
    CHECK(blink::name_of(blink::key_of(blink::collective::reduce, 2, {.relays = {5}})).find("relay 5") !=
          std::string::npos);
}
