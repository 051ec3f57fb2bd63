// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/stream_block.hpp>
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

#include "made_schedules.hpp"
#include "stream_calls.hpp"

using namespace kernel_test;

namespace {

/// Calls follow each other on every rank without waiting for the other ranks.
template <class T>
void run_calls(std::mt19937& random, int ranks, int calls, std::size_t most = 900) {
    stream_memory_of m(ranks);
    std::vector<schedule> schedules;
    std::vector<bool> trees;
    std::vector<buffers<T>> data;
    std::vector<std::size_t> counts;
    std::vector<call_shape> shapes;
    std::vector<stream_call<T>> prepared;
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
        counts.push_back(random() % 3 == 0 ? random() % 5 : random() % most);
        data.emplace_back(random, schedules.back(), counts.back(), random() % 2 == 0, random() % 2);
        const auto shape = stream_shape<T>(schedules.back(), counts.back(), 5);
        REQUIRE(shape);
        shapes.push_back(*shape);
        prepared.push_back(make_call(schedules.back(), m, data.back(), shapes.back()));
    }
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t c = 0; c < prepared.size(); ++c) {
                    enter_stream(prepared[c], schedules[c], trees[c], r, shapes[c].blocks);
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

/// Three bytes that are added one by one.
struct narrow {
    std::uint8_t v[3];
    narrow() = default;
    explicit narrow(unsigned long x) : v{static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(x + 1), 7} {}
    friend bool operator==(const narrow&, const narrow&) = default;
    friend narrow operator+(narrow a, const narrow& b) {
        for (int i = 0; i < 3; ++i) { a.v[i] = static_cast<std::uint8_t>(a.v[i] + b.v[i]); }
        return a;
    }
};

/// As many bytes as the largest element that travels in cells.
struct widest {
    std::int64_t v[8];
    widest() = default;
    explicit widest(unsigned long x)
        : v{static_cast<std::int64_t>(x), 1, 2, 3, 4, 5, 6, static_cast<std::int64_t>(x) + 7} {}
    friend bool operator==(const widest&, const widest&) = default;
    friend widest operator+(widest a, const widest& b) {
        for (int i = 0; i < 8; ++i) { a.v[i] += b.v[i]; }
        return a;
    }
};

} // namespace

TEST_CASE("cells carry every collective, over trees and straight, call after call") {
    std::mt19937 random(21);
    for (int round = 0; round < 2; ++round) {
        run_calls<std::int32_t>(random, 2, 8);
        run_calls<std::uint8_t>(random, 3, 6);
        run_calls<double>(random, 4, 6);
        run_calls<std::int16_t>(random, 3, 6);
    }
}

TEST_CASE("calls far longer than the rings pass through them, and short ones between") {
    std::mt19937 random(25);
    run_calls<std::int32_t>(random, 2, 6, 60000);
    run_calls<std::int32_t>(random, 3, 5, 30000);
}

TEST_CASE("elements of any size up to 64 bytes travel in cells") {
    std::mt19937 random(27);
    run_calls<narrow>(random, 2, 5, 3000);
    run_calls<widest>(random, 3, 5, 6000);
    static_assert(unit_cells<wide> == 2 && unit_elements<wide> == 1);
    static_assert(unit_cells<widest> == 4 && unit_cells<narrow> == 1 && unit_elements<narrow> == 1);
    static_assert(unit_cells<float> == 1 && unit_elements<float> == 4 && unit_elements<std::uint8_t> == 16);
    static_assert(travels_in_cells<widest> && !travels_in_cells<std::array<double, 9>>);
}

TEST_CASE("a position may be any number") {
    std::mt19937 random(22);
    stream_memory_of m(2);
    for (auto& of_rank : m.flags) {
        for (stream_flags& f : of_rank) {
            for (int t = 0; t < max_teams; ++t) {
                f.position[t] = 0xFFFFFFFAU;
                for (auto& by_way : f.emptied) {
                    for (auto& by_reader : by_way) { by_reader[t] = f.position[t]; }
                }
            }
        }
    }
    const schedule s = made::random_trees(collective::broadcast, 2, 1, 3, 0);
    for (int c = 0; c < 6; ++c) {
        buffers<float> b(random, s, 500, false, 0);
        const auto shape = stream_shape<float>(s, 500, 1);
        REQUIRE(shape);
        const stream_call<float> call = make_call(s, m, b, *shape);
        {
            const std::jthread root([&] { enter_stream(call, s, true, 0, shape->blocks); });
            const std::jthread leaf([&] { enter_stream(call, s, true, 1, shape->blocks); });
        }
        check_result(s, b, 500);
    }
}

TEST_CASE("who waits past the deadline names the rank whose cells are missing, and its whole team leaves") {
    std::mt19937 random(23);
    stream_memory_of m(3);
    const schedule s = one_lane(3);
    buffers<float> b(random, s, 10, false, 0);
    const auto shape = stream_shape<float>(s, 10, 1);
    REQUIRE(shape);
    stream_call<float> call = make_call(s, m, b, *shape);
    call.timeout_ns = 1'000'000'000; // long enough for both to start on a crowded machine
    {
        const std::jthread first([&] { enter_stream(call, s, false, 0, 1); });
        const std::jthread second([&] { enter_stream(call, s, false, 1, 1); });
    }
    REQUIRE(m.words[1] != 0);
    const fault found = fault::unpacked(m.words[1]);
    CHECK(found.what == awaited::partial);
    CHECK(found.peer == 2);
}

TEST_CASE("a broadcast runs ahead of its readers until the rings are full, and no further") {
    std::mt19937 random(24);
    stream_memory_of m(2);
    const schedule s = made::random_trees(collective::broadcast, 2, 1, 3, 0);
    constexpr std::size_t count = std::size_t{64} * 4; // a row of each team
    const auto calls = static_cast<std::size_t>(ring_rows) + 1;
    std::vector<buffers<int>> data;
    for (std::size_t c = 0; c < calls; ++c) { data.emplace_back(random, s, count, false, 0); }
    const auto shape = stream_shape<int>(s, count, 1);
    REQUIRE(shape);
    const auto enter = [&](std::size_t c, int rank, std::uint64_t timeout_ns) {
        stream_call<int> call = make_call(s, m, data[c], *shape);
        call.timeout_ns = timeout_ns;
        enter_stream(call, s, true, rank, shape->blocks);
    };
    for (std::size_t c = 0; c < ring_rows; ++c) { enter(c, 0, 20'000'000'000); }
    CHECK(m.words[0] == 0);
    std::jthread last([&] { enter(ring_rows, 0, 20'000'000'000); });
    for (std::size_t c = 0; c < calls; ++c) { enter(c, 1, 20'000'000'000); }
    last.join();
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < calls; ++c) { check_result(s, data[c], count); }

    // The reader has told of all rows but those of its last call.
    for (std::size_t c = 0; c + 1 < ring_rows; ++c) { enter(c, 0, 50'000'000); }
    CHECK(m.words[0] == 0);
    enter(0, 0, 50'000'000);
    CHECK(m.words[0] == 1);
    CHECK(fault::unpacked(m.words[1]).what == awaited::room);
}

TEST_CASE("more lanes than blocks have no shape; small calls have few threads, large ones all") {
    CHECK_FALSE(make_stream_shape(made::random_trees(collective::broadcast, 2, 3, 1, 0), 10, 4, 4, 2));
    const schedule s = one_lane(2);
    const auto shape = [&](std::size_t bytes, int most = 128) { return *make_stream_shape(s, bytes / 4, 4, 4, most); };
    CHECK(shape(1024).blocks == 1);
    CHECK(shape(1024).threads <= 128);
    CHECK(shape(128 << 10).threads == 128);
    CHECK(shape(128 << 10).blocks >= 64);
    CHECK(shape(1 << 20).threads == 512);
    CHECK(shape(1 << 30).blocks == 128);
    CHECK(shape(1 << 30, 8).blocks == 8);
    CHECK(shape(0).blocks == 1);
}
