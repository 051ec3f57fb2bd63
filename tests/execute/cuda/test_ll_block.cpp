// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/ll_block.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "line_calls.hpp"
#include "made_schedules.hpp"

using namespace kernel_test;

namespace {

/// Calls follow each other on every rank without waiting for the other ranks.
template <class Wire, class T>
void run_calls(std::mt19937& random, int ranks, int calls) {
    constexpr bool packets = Wire::threads > 1;
    line_memory m(ranks, packets);
    const ll_capacity capacity = packets ? packet_capacity(ranks, threads_per_block) : ll_capacity{};
    std::vector<schedule> schedules;
    std::vector<bool> trees;
    std::vector<buffers<T>> data;
    std::vector<std::size_t> counts;
    std::vector<call_shape> shapes;
    std::vector<ll_call<T>> prepared;
    data.reserve(static_cast<std::size_t>(calls));
    for (int c = 0; c < calls; ++c) {
        const auto kind = static_cast<collective>(random() % collective_names.size());
        trees.push_back(kind != collective::allreduce || random() % 2 == 0);
        const int root = static_cast<int>(random() % static_cast<unsigned>(ranks));
        const auto seed = static_cast<unsigned>(random());
        schedules.push_back(!trees.back()      ? one_lane(ranks)
                            : is_sharded(kind) ? made::random_forest(kind, ranks, 1, seed)
                                               : made::random_trees(kind, ranks, 2, seed, is_rooted(kind) ? root : 0));
        for (lane& l : schedules.back().lanes) {
            for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
        }
        counts.push_back(random() % 3 == 0 ? random() % 5 : random() % 900);
        data.emplace_back(random, schedules.back(), counts.back(), random() % 2 == 0, random() % 2);
        const auto shape = make_ll_shape(schedules.back(), counts.back(), sizeof(T), 6, capacity);
        REQUIRE(shape);
        shapes.push_back(*shape);
        prepared.push_back(make_call(schedules.back(), m, data.back(), shapes.back()));
    }
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t c = 0; c < prepared.size(); ++c) {
                    enter_ll<Wire>(prepared[c], schedules[c], trees[c], r, shapes[c].blocks);
                }
            });
        }
    }
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < prepared.size(); ++c) {
        CAPTURE(c);
        CAPTURE(to_string(schedules[c].kind));
        check_result(schedules[c], data[c], counts[c]);
    }
}

struct wide {
    std::int64_t a, b, c;
    friend bool operator==(const wide&, const wide&) = default;
};

} // namespace

TEST_CASE("lines carry every collective, over trees and straight, call after call") {
    std::mt19937 random(21);
    for (int round = 0; round < 2; ++round) {
        run_calls<line_wire, std::int32_t>(random, 2, 8);
        run_calls<line_wire, std::uint8_t>(random, 3, 6);
        run_calls<line_wire, double>(random, 4, 6);
        run_calls<line_wire, std::int16_t>(random, 3, 6);
    }
}

TEST_CASE("packets carry every collective, over trees and straight, call after call") {
    std::mt19937 random(25);
    run_calls<packet_wire, std::int32_t>(random, 2, 6);
    run_calls<packet_wire, std::uint8_t>(random, 3, 4);
    run_calls<packet_wire, double>(random, 4, 4);
    run_calls<packet_wire, std::int16_t>(random, 3, 4);
}

TEST_CASE("who waits past the deadline for a packet names the rank, and all that share the packet leave") {
    std::mt19937 random(26);
    line_memory m(3, true);
    const schedule s = one_lane(3);
    buffers<float> b(random, s, 100, false, 0);
    const auto shape = make_ll_shape(s, 100, sizeof(float), 1, packet_capacity(3, threads_per_block));
    REQUIRE(shape);
    ll_call<float> call = make_call(s, m, b, *shape);
    call.timeout_ns = 1'000'000'000; // long enough for both to start on a crowded machine
    {
        const std::jthread first([&] { enter_ll<packet_wire>(call, s, false, 0, 1); });
        const std::jthread second([&] { enter_ll<packet_wire>(call, s, false, 1, 1); });
    }
    REQUIRE(m.words[1] != 0);
    CHECK(fault::unpacked(m.words[1]).peer == 2);
}

TEST_CASE("calls may be told apart beyond the numbers that a flag holds") {
    CHECK(ll_flag(1) == 2);
    CHECK(ll_flag(0xFFFFFFFEU) == 0xFFFFFFFFU);
    CHECK(ll_flag(0xFFFFFFFFU) == 1);
    CHECK(ll_flag(0x100000000U) == 2);
    line_memory m(2);
    for (auto& of_rank : m.flags) {
        for (ll_flags& f : of_rank) {
            f.call = 0xFFFFFFFCU;
            for (std::uint64_t& done : f.finished) { done = f.call; }
        }
    }
    std::mt19937 random(22);
    const schedule s = made::random_trees(collective::broadcast, 2, 1, 3, 0);
    for (int c = 0; c < 6; ++c) {
        buffers<float> b(random, s, 500, false, 0);
        const auto shape = make_ll_shape(s, 500, sizeof(float), 1);
        REQUIRE(shape);
        const ll_call<float> call = make_call(s, m, b, *shape);
        {
            const std::jthread root([&] { enter_ll(call, s, true, 0, shape->blocks); });
            const std::jthread leaf([&] { enter_ll(call, s, true, 1, shape->blocks); });
        }
        check_result(s, b, 500);
    }
}

TEST_CASE("who waits past the deadline names the rank whose lines are missing") {
    std::mt19937 random(23);
    line_memory m(3);
    const schedule s = one_lane(3);
    buffers<float> b(random, s, 10, false, 0);
    const auto shape = make_ll_shape(s, 10, sizeof(float), 1);
    REQUIRE(shape);
    ll_call<float> call = make_call(s, m, b, *shape);
    call.timeout_ns = 1'000'000'000; // long enough for both to start on a crowded machine
    {
        const std::jthread first([&] { enter_ll(call, s, false, 0, 1); });
        const std::jthread second([&] { enter_ll(call, s, false, 1, 1); });
    }
    REQUIRE(m.words[1] != 0);
    const fault found = fault::unpacked(m.words[1]);
    CHECK(found.what == awaited::partial);
    CHECK(found.peer == 2);
}

TEST_CASE("a broadcast waits for a reader that is two calls behind, and no longer") {
    std::mt19937 random(24);
    line_memory m(2);
    const schedule s = made::random_trees(collective::broadcast, 2, 1, 3, 0);
    std::vector<buffers<int>> data;
    for (int c = 0; c < 3; ++c) { data.emplace_back(random, s, 100, false, 0); }
    const auto shape = make_ll_shape(s, 100, sizeof(int), 1);
    REQUIRE(shape);
    const auto enter = [&](std::size_t c, int rank, std::uint64_t timeout_ns) {
        ll_call<int> call = make_call(s, m, data[c], *shape);
        call.timeout_ns = timeout_ns;
        enter_ll(call, s, true, rank, shape->blocks);
    };
    enter(0, 0, 20'000'000'000);
    enter(1, 0, 20'000'000'000);
    CHECK(m.words[0] == 0);
    std::jthread third([&] { enter(2, 0, 20'000'000'000); });
    for (std::size_t c = 0; c < 3; ++c) { enter(c, 1, 20'000'000'000); }
    third.join();
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < 3; ++c) { check_result(s, data[c], 100); }
    enter(0, 0, 50'000'000);
    enter(0, 0, 50'000'000);
    CHECK(m.words[0] == 0);
    enter(0, 0, 50'000'000);
    CHECK(m.words[0] == 1);
}

TEST_CASE("what does not fit into the lines has no shape, and types that do not tile eight bytes no lines") {
    const schedule s = one_lane(2);
    CHECK(make_ll_shape(s, ll_block_bytes, 1, 1));
    CHECK_FALSE(make_ll_shape(s, ll_block_bytes + 1, 1, 1));
    CHECK(make_ll_shape(s, ll_block_bytes * ll_max_blocks / 8, 8, 1000));
    CHECK_FALSE(make_ll_shape(s, ll_block_bytes * ll_max_blocks / 8 + 1, 8, 1000));
    CHECK_FALSE(make_ll_shape(made::random_trees(collective::broadcast, 2, 3, 1, 0), 10, 4, 2));
    static_assert(travels_in_lines<float> && travels_in_lines<std::int8_t> && travels_in_lines<wide>);
    static_assert(travels_in_packets<float> && travels_in_packets<double> && !travels_in_packets<wide>);
    static_assert(!travels_in_lines<std::array<char, 3>> && !travels_in_lines<std::array<float, 3>>);
}
