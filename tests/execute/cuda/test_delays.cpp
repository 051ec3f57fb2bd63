// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "delaying_machine.hpp"
#include "made_schedules.hpp"
#include "stream_calls.hpp"

using namespace kernel_test;

namespace {

/// Calls of changing size follow each other on every rank, late at any flag.
/// @param body `body(delaying_machine, block state, rank, call number)`
template <class Body>
void run_late(int ranks, const std::vector<call_shape>& shapes, const Body& body) {
    std::atomic<std::uint64_t> delays{0};
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t c = 0; c < shapes.size(); ++c) {
                    run_blocks(shapes[c].blocks, 1, threads_per_block,
                               [&](const thread_machine& m, block_state& state) {
                                   std::minstd_rand random(static_cast<unsigned>(1 + m.thread() + 64 * r) +
                                                           1000 * static_cast<unsigned>(c));
                                   body(delaying_machine{m, &random, &delays}, state, r, c);
                               });
                }
            });
        }
    }
    CHECK(delays > 0);
}

void late_cells(int ranks) {
    std::mt19937 random(3);
    stream_memory_of m(ranks);
    const schedule s = made::random_trees(collective::allreduce, ranks, 1, 5, 0);
    const runtime_schedule form = to_runtime_schedule(s);
    const std::vector<std::size_t> counts{1, 9000, 3, 301};
    std::vector<buffers<std::int32_t>> data;
    data.reserve(counts.size());
    std::vector<call_shape> shapes;
    std::vector<stream_call<std::int32_t>> calls;
    for (const std::size_t count : counts) {
        data.emplace_back(random, s, count, count % 2 == 0, count % 2);
        const auto shape = stream_shape<std::int32_t>(s, count, 2);
        REQUIRE(shape);
        shapes.push_back(*shape);
        calls.push_back(make_call(s, m, data.back(), *shape));
    }
    run_late(ranks, shapes, [&](const delaying_machine& machine, block_state&, int r, std::size_t c) {
        stream_call<std::int32_t> call = calls[c];
        call.local_ranks[0] = static_cast<std::uint8_t>(r);
        run_stream(machine, call, form, c % 2 == 1);
    });
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < counts.size(); ++c) { check_result(s, data[c], counts[c]); }
}

template <bool Pulled>
void late_chunks(int ranks, bool staged) {
    std::mt19937 random(4);
    memory m(ranks);
    const std::vector<std::size_t> counts{1, 900, 3, 2500};
    std::vector<schedule> schedules;
    std::vector<buffers<std::int32_t>> data;
    data.reserve(counts.size());
    std::vector<call_shape> shapes;
    std::vector<tree_call<std::int32_t>> calls;
    for (std::size_t c = 0; c < counts.size(); ++c) {
        schedules.push_back(made::random_trees(collective::allreduce, ranks, 2, static_cast<unsigned>(c), 0));
        for (lane& l : schedules.back().lanes) {
            for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
        }
        data.emplace_back(random, schedules.back(), counts[c], c % 2 == 0, c % 2);
        shapes.push_back(make_shape(schedules.back(), counts[c], sizeof(std::int32_t),
                                    shape_limits{2, memory::slot_bytes, 512, staged}));
        calls.push_back(make_call(schedules.back(), m, data.back(), shapes.back()));
        calls.back().staged = staged;
    }
    run_late(ranks, shapes, [&](const delaying_machine& machine, block_state& state, int r, std::size_t c) {
        tree_call<std::int32_t> call = staged ? seen_by(calls[c], r) : calls[c];
        call.local_ranks[0] = static_cast<std::uint8_t>(r);
        tree_block<Pulled>(machine, call, to_runtime_schedule(schedules[c]), sum{},
                           reinterpret_cast<std::int32_t**>(state.outputs.data()),
                           reinterpret_cast<const std::int32_t**>(state.sources.data()));
    });
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < counts.size(); ++c) { check_result(schedules[c], data[c], counts[c]); }
}

} // namespace

TEST_CASE("chunks come right however late their flags are raised and seen") {
    late_chunks<false>(2, false);
    late_chunks<false>(3, true);
    late_chunks<true>(3, false);
}

TEST_CASE("cells come right however late they are stored and read") {
    late_cells(2);
    late_cells(3);
}
