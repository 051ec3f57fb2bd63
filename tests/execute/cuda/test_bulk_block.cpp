// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/bulk_block.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "bulk_threads.hpp"
#include "kernel_calls.hpp"
#include "made_schedules.hpp"

using namespace kernel_test;

namespace {

constexpr bulk_sizes small{2048, 128};

/// Trees of any shape; children ascend, as kernels combine them.
schedule any_trees(collective kind, int ranks, int lanes, unsigned seed, int root) {
    schedule s = is_sharded(kind) ? made::random_forest(kind, ranks, 1, seed)
                                  : made::random_trees(kind, ranks, lanes, seed, root);
    for (lane& l : s.lanes) {
        for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
    }
    verify(s);
    return s;
}

/// Elements by which shards lie on 16 bytes.
template <class T>
std::size_t shard_step(collective kind) {
    return is_sharded(kind) ? 16 / sizeof(T) : 1;
}

/// A lane from rank to rank: 0 <- 1 <- 2 ...
schedule chain(collective kind, int ranks) {
    schedule s{kind, ranks, 0, {{0, 1.0, std::vector<role>(static_cast<std::size_t>(ranks))}}};
    auto& roles = s.lanes[0].roles;
    for (int r = 1; r < ranks; ++r) {
        const auto i = static_cast<std::size_t>(r);
        if (reduces(kind)) {
            roles[i].reduce_to = r - 1;
            roles[i - 1].reduce_from.push_back(r);
        }
        if (hands_on(kind)) {
            roles[i].broadcast_from = r - 1;
            roles[i - 1].broadcast_to.push_back(r);
        }
    }
    verify(s);
    return s;
}

/// Who runs what: by bulk copies where its bit is set.
struct mix {
    unsigned bulk_ranks;
    [[nodiscard]] bool has(int rank) const { return (bulk_ranks >> rank & 1U) != 0; }
};

/// Calls, some with chunks smaller than their slots, that follow each other on every rank without waiting for the other
/// ranks.
template <class T, class Op = sum>
void run_calls(const std::vector<schedule>& schedules, const std::vector<std::size_t>& counts, std::mt19937& random,
               const mix& who, const Op& op = {}, T factor = 1) {
    const int ranks = schedules.front().ranks;
    memory m(ranks);
    std::vector<buffers<T>> data;
    std::vector<call_shape> shapes;
    std::vector<tree_call<T>> calls;
    std::vector<std::uint32_t> sizes(counts.size());
    data.reserve(counts.size());
    for (std::size_t c = 0; c < counts.size(); ++c) {
        const schedule& s = schedules[c];
        data.emplace_back(random, s, counts[c], random() % 2 == 0, 0);
        const shape_limits limits{std::max(2, static_cast<int>(s.lanes.size())), memory::slot_bytes,
                                  128 * (1 + random() % 9)};
        shapes.push_back(make_shape(s, counts[c], sizeof(T), limits));
        calls.push_back(make_call(s, m, data.back(), shapes.back()));
        sizes[c] = drawn_chunk(random, shapes.back());
        if (random() % 2 == 0) { calls.back().chunk_now = &sizes[c]; }
    }
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t c = 0; c < calls.size(); ++c) {
                    if (who.has(r)) {
                        enter_in_bulk(calls[c], schedules[c], r, shapes[c].blocks, small,
                                      static_cast<unsigned>(c * 977) + static_cast<unsigned>(r), op);
                    } else {
                        enter(calls[c], schedules[c], r, shapes[c].blocks, op);
                    }
                }
            });
        }
    }
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < counts.size(); ++c) {
        CAPTURE(c);
        CAPTURE(to_string(schedules[c].kind));
        CAPTURE(counts[c]);
        for (auto& of_rank : data[c].original) {
            for (T& x : of_rank) { x = static_cast<T>(x * factor); }
        }
        check_result(schedules[c], data[c], counts[c]);
    }
}

template <class T>
void run_random(std::mt19937& random, int ranks, std::size_t calls, const mix& who) {
    std::vector<schedule> schedules;
    std::vector<std::size_t> counts;
    for (std::size_t c = 0; c < calls; ++c) {
        const auto kind = static_cast<collective>(random() % collective_names.size());
        schedules.push_back(any_trees(kind, ranks, 1 + static_cast<int>(random() % 2), static_cast<unsigned>(random()),
                                      static_cast<int>(random() % static_cast<unsigned>(ranks))));
        const std::size_t wanted = random() % 4 == 0 ? 1 + random() % 5 : 1 + random() % 4000;
        const std::size_t step = shard_step<T>(kind);
        counts.push_back((wanted + step - 1) / step * step);
    }
    run_calls<T>(schedules, counts, random, who);
}

constexpr mix everyone{0xFFFF};

} // namespace

TEST_CASE("bulk copies bring every collective over chains and stars, in many chunks, twice in a row") {
    std::mt19937 random(21);
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
        run_calls<std::int32_t>({chain(kind, 3), chain(kind, 3)}, {3001, 2999}, random, everyone);
        run_calls<std::int8_t>({chain(kind, 2), chain(kind, 2)}, {1, 7013}, random, everyone);
    }
    for (const collective kind : {collective::allgather, collective::reduce_scatter}) {
        const schedule s = any_trees(kind, 3, 1, 3, 0);
        run_calls<double>({s, s}, {1300, 2}, random, everyone);
    }
}

TEST_CASE("random trees, sizes and chunks give the exact result in bulk") {
    std::mt19937 random(22);
    run_random<std::int32_t>(random, 2, 4, everyone);
    run_random<double>(random, 4, 3, everyone);
    run_random<std::int16_t>(random, 5, 2, everyone);
}

TEST_CASE("ranks that copy in bulk and ranks that do not meet in one call") {
    std::mt19937 random(23);
    run_random<std::int32_t>(random, 2, 3, {1});
    run_random<std::int32_t>(random, 3, 3, {5});
    run_random<std::int64_t>(random, 4, 3, {6});
}

TEST_CASE("a bulk rank multiplies its own input once") {
    std::mt19937 random(24);
    run_calls<std::int32_t>({chain(collective::allreduce, 3)}, {901}, random, everyone, premul_sum{3}, 3);
    run_calls<std::int32_t>({chain(collective::reduce, 2)}, {1777}, random, {2}, premul_sum{3}, 3);
}

TEST_CASE("every hop of a bulk call carries the bytes of its lane, once in each direction") {
    std::mt19937 random(25);
    const schedule s = any_trees(collective::allreduce, 3, 2, 9, 1);
    memory m(3);
    buffers<int> b(random, s, 2000, false, 0);
    const call_shape shape = make_shape(s, 2000, sizeof(int), {2, memory::slot_bytes, 512});
    tree_call<int> call = make_call(s, m, b, shape);
    for (std::uint8_t r = 0; r < 3; ++r) { call.local_ranks[r] = r; }
    traffic carried;
    run_bulk_kernel(
        call, to_runtime_schedule(s), sum{}, shape.blocks, 3, small, 1, [](const thread_machine& on) { return on; },
        &carried);
    check_result(s, b, 2000);
    const auto ranges = split(s, 2000, shape.grain);
    for (std::size_t l = 0; l < s.lanes.size(); ++l) {
        for (std::size_t r = 0; r < 3; ++r) {
            const role& own = s.lanes[l].roles[r];
            CHECK(carried.bytes[l][r][1] == (own.reduce_to == no_rank ? 0 : ranges[l].size() * sizeof(int)));
            CHECK(carried.bytes[l][r][0] == (own.broadcast_from == no_rank ? 0 : ranges[l].size() * sizeof(int)));
        }
    }
}

TEST_CASE("bulk copies come right however late their flags are raised and seen") {
    std::mt19937 random(26);
    std::atomic<std::uint64_t> delays{0};
    for (const int ranks : {2, 3}) {
        memory m(ranks);
        const schedule s = chain(collective::allreduce, ranks);
        buffers<std::int32_t> b(random, s, 5001, true, 0);
        const call_shape shape = make_shape(s, 5001, sizeof(std::int32_t), {2, memory::slot_bytes, 512});
        const tree_call<std::int32_t> call = make_call(s, m, b, shape);
        {
            std::vector<std::jthread> streams;
            for (int r = 0; r < ranks; ++r) {
                streams.emplace_back([&, r] {
                    tree_call<std::int32_t> mine = call;
                    mine.local_ranks[0] = static_cast<std::uint8_t>(r);
                    std::vector<std::minstd_rand> chances;
                    for (int t = 0; t < shape.blocks * bulk_threads_per_block; ++t) {
                        chances.emplace_back(static_cast<unsigned>(t + 1 + 1000 * r));
                    }
                    run_bulk_kernel(mine, to_runtime_schedule(s), sum{}, shape.blocks, 1, small, 5,
                                    [&](const thread_machine& on) {
                                        const int t = on.block() * bulk_threads_per_block + on.thread();
                                        return delaying_machine{on, &chances[static_cast<std::size_t>(t)], &delays};
                                    });
                });
            }
        }
        CHECK(m.words[0] == 0);
        check_result(s, b, 5001);
    }
    CHECK(delays > 0);
}

TEST_CASE("a bulk rank that waits past the deadline names the missing rank, whichever its part") {
    std::mt19937 random(27);
    struct lonely {
        collective kind;
        int rank;
        awaited what;
    };
    for (const lonely& l :
         {lonely{collective::reduce, 0, awaited::partial}, lonely{collective::reduce, 1, awaited::room},
          lonely{collective::broadcast, 0, awaited::readiness}, lonely{collective::broadcast, 1, awaited::result}}) {
        memory m(2);
        const schedule s = chain(l.kind, 2);
        buffers<float> b(random, s, 3000, false, 0);
        const call_shape shape = make_shape(s, 3000, sizeof(float), {1, memory::slot_bytes, 512});
        tree_call<float> call = make_call(s, m, b, shape);
        call.timeout_ns = 50'000'000;
        enter_in_bulk(call, s, l.rank, shape.blocks, small, 3);
        CHECK(m.words[0] == 1);
        REQUIRE(m.words[static_cast<std::size_t>(1 + l.rank)] != 0);
        const fault found = fault::unpacked(m.words[static_cast<std::size_t>(1 + l.rank)]);
        CHECK(found.what == l.what);
        CHECK(found.peer == 1 - l.rank);
    }
}

TEST_CASE("an abort from outside ends a bulk call without a fault") {
    std::mt19937 random(28);
    memory m(3);
    const schedule s = chain(collective::allreduce, 3);
    buffers<float> b(random, s, 3000, false, 0);
    const call_shape shape = make_shape(s, 3000, sizeof(float), {1, memory::slot_bytes, 512});
    const tree_call<float> call = make_call(s, m, b, shape);
    {
        const std::jthread top([&] { enter_in_bulk(call, s, 0, shape.blocks, small, 1); });
        const std::jthread middle([&] { enter_in_bulk(call, s, 1, shape.blocks, small, 2); });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        std::atomic_ref(m.words[0]).store(1);
    }
    CHECK(std::ranges::count(m.words, std::uint64_t{0}) == max_ranks);
}

TEST_CASE("the rings of a block fit its memory, with stages for every number of children") {
    for (std::uint32_t sources = 0; sources <= max_ranks; ++sources) {
        for (const bool combines : {false, true}) {
            for (const bool down : {false, true}) {
                const bulk_sizes sizes{};
                const bulk_layout l = bulk_layout::of(sizes, sources, combines || sources > 1, down);
                CHECK(l.piece % 16 == 0);
                CHECK((l.up_stages * sources + l.up_results + l.down_stages) * l.piece <= sizes.memory);
                CHECK((sources == 0 || l.up_stages > 0));
                CHECK((!down || l.down_stages > 0));
                CHECK((!(combines || sources > 1) || sources == 0 || l.up_results > 0));
            }
        }
    }
}
