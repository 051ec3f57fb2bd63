// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/short_pair.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "stream_calls.hpp"

using namespace kernel_test;

namespace {

constexpr std::size_t whole_row = std::size_t{threads_per_block} * 4; ///< elements of four bytes, a cell a thread

/// AllReduces of two ranks, one behind the other on each, by one block.
template <class T, class Make>
void run_calls(const std::vector<std::size_t>& counts, const Make& make, stream_memory_of& m) {
    const schedule s = one_lane(2);
    std::vector<buffers<T>> data;
    std::vector<stream_call<T>> calls;
    data.reserve(counts.size());
    for (std::size_t c = 0; c < counts.size(); ++c) {
        const auto made = [&](std::size_t r, std::size_t i) { return static_cast<T>(make(c, r, i)); };
        data.emplace_back(made, s, counts[c], c % 2 == 0, 0);
        const auto shape = stream_shape<T>(s, counts[c], 1);
        REQUIRE(shape);
        calls.push_back(make_call(s, m, data.back(), *shape));
    }
    {
        std::vector<std::jthread> ranks;
        for (int r = 0; r < 2; ++r) {
            ranks.emplace_back([&, r] {
                for (const stream_call<T>& call : calls) { enter_stream(call, s, false, r, 1); }
            });
        }
    }
    REQUIRE(m.words[0] == 0);
    for (std::size_t c = 0; c < counts.size(); ++c) {
        CAPTURE(c);
        check_result(s, data[c], counts[c]);
    }
}

/// Whether each team of a call of this many elements has a single row.
bool is_short(std::size_t count) {
    stream_memory_of m(2);
    const schedule s = one_lane(2);
    std::mt19937 random(1);
    buffers<std::int32_t> b(random, s, count, false, 0);
    stream_call<std::int32_t> call = make_call(s, m, b, *stream_shape<std::int32_t>(s, count, 1));
    std::atomic<int> single = 0;
    run_blocks(1, 1, threads_per_block, [&](const thread_machine& machine, const block_state&) {
        single += stream_context<thread_machine, std::int32_t>(machine, call).has_single_row() ? 1 : 0;
    });
    return single == threads_per_block;
}

/// What a rank leaves that enters a call without the other one.
fault fault_of_lonely(stream_memory_of& m, int rank) {
    std::mt19937 random(34);
    const schedule s = one_lane(2);
    buffers<float> b(random, s, whole_row, false, 0);
    stream_call<float> call = make_call(s, m, b, *stream_shape<float>(s, whole_row, 1));
    call.timeout_ns = 50'000'000;
    enter_stream(call, s, false, rank, 1);
    REQUIRE(m.words[0] != 0);
    return fault::unpacked(m.words[1 + rank]);
}

} // namespace

TEST_CASE("one row of whole units is a short call, and no other") {
    CHECK(is_short(whole_row));
    CHECK_FALSE(is_short(whole_row - 1)); // but for the last team
    CHECK_FALSE(is_short(whole_row + 4));
    CHECK_FALSE(is_short(4)); // the first team alone
}

TEST_CASE("short calls follow each other many times around the rings") {
    std::mt19937 random(31);
    stream_memory_of m(2);
    const auto make = [&](std::size_t, std::size_t, std::size_t) { return random() % 1000; };
    run_calls<std::int32_t>(std::vector<std::size_t>(3 * ring_rows, whole_row), make, m);
    std::vector<std::size_t> counts;
    for (std::size_t c = 0; c < 2 * ring_rows; ++c) { counts.push_back(4 * (1 + random() % threads_per_block)); }
    run_calls<std::int32_t>(counts, make, m);
}

TEST_CASE("short calls and others follow each other, also where the others fill the rings") {
    std::mt19937 random(32);
    stream_memory_of m(2);
    std::vector<std::size_t> counts;
    for (int round = 0; round < 3; ++round) {
        for (const std::size_t rows : {std::size_t{ring_rows}, std::size_t{3}, std::size_t{2 * ring_rows + 1}}) {
            counts.insert(counts.end(), {rows * whole_row, whole_row, whole_row, whole_row - 3});
        }
    }
    run_calls<std::int32_t>(
        counts, [&](std::size_t, std::size_t, std::size_t) { return random() % 1000; }, m);
}

TEST_CASE("both ranks add in the order of the ranks") {
    // Whole numbers that a float holds, but not their sums: rounding depends on nothing but the two numbers, so the
    // operator has to tell them apart.
    struct first {
        BLINK_HOST_DEVICE std::int32_t operator()(std::int32_t a, std::int32_t) const { return a; }
    };
    stream_memory_of m(2);
    const schedule s = one_lane(2);
    std::mt19937 random(33);
    buffers<std::int32_t> b(random, s, whole_row, false, 0);
    const stream_call<std::int32_t> call = make_call(s, m, b, *stream_shape<std::int32_t>(s, whole_row, 1));
    {
        const std::jthread zero([&] { enter_stream(call, s, false, 0, 1, first{}); });
        const std::jthread one([&] { enter_stream(call, s, false, 1, 1, first{}); });
    }
    for (std::size_t i = 0; i < whole_row; ++i) {
        REQUIRE(b.out[0][i] == b.original[0][i]);
        REQUIRE(b.out[1][i] == b.original[0][i]);
    }
}

TEST_CASE("data of short calls that look like the filler, its decoy or a note are data") {
    const std::array<std::uint64_t, 6> looks{filler, decoy, filler ^ 2U, 0, 3, filler & 0xFFFFFFFFU};
    stream_memory_of m(2);
    run_calls<std::uint64_t>(
        std::vector<std::size_t>(ring_rows + 6, whole_row / 2),
        [&](std::size_t c, std::size_t r, std::size_t i) {
            return c == 0 ? filler : c == 1 ? decoy : looks[(i / c + r * (i % 3)) % looks.size()];
        },
        m);
}

TEST_CASE("a short call that waits past the deadline names the rank that never comes") {
    stream_memory_of m(2);
    const fault found = fault_of_lonely(m, 1);
    CHECK(found.what == awaited::partial);
    CHECK(found.rank == 1);
    CHECK(found.peer == 0);
}

TEST_CASE("a short call waits where the other rank has not emptied what lies in the ring") {
    stream_memory_of m(2);
    for (stream_state& state : m.flags[0][0].state) { state = {ring_rows, ring_rows}; }
    CHECK(fault_of_lonely(m, 0).what == awaited::room);
}
