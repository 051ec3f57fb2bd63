// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/tree_block.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "kernel_calls.hpp"
#include "made_schedules.hpp"

using namespace blink;
using namespace blink::cuda;
using namespace kernel_test;

namespace {

/// A lane whose tree has random parents; for reduce and broadcast all lanes share the root.
lane random_lane(std::mt19937& random, int ranks, int root, double share, collective kind) {
    lane l{root, share, std::vector<role>(static_cast<std::size_t>(ranks))};
    std::vector<int> placed{root};
    for (int k = 1; k < ranks; ++k) {
        const int child = (root + k) % ranks;
        const int parent = placed[random() % placed.size()];
        placed.push_back(child);
        if (reduces(kind)) {
            l.roles[static_cast<std::size_t>(child)].reduce_to = parent;
            l.roles[static_cast<std::size_t>(parent)].reduce_from.push_back(child);
        }
        if (kind != collective::reduce) {
            l.roles[static_cast<std::size_t>(child)].broadcast_from = parent;
            l.roles[static_cast<std::size_t>(parent)].broadcast_to.push_back(child);
        }
    }
    for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
    return l;
}

schedule random_schedule(std::mt19937& random, collective kind, int ranks, int lanes, int root) {
    schedule s{kind, ranks, root, {}};
    for (int i = 0; i < lanes; ++i) {
        const int lane_root = is_rooted(kind) ? root : static_cast<int>(random() % static_cast<unsigned>(ranks));
        s.lanes.push_back(random_lane(random, ranks, lane_root, 1.0 / lanes, kind));
    }
    verify(s);
    return s;
}

/// Calls, staged, pulled or neither, some with chunks smaller than their slots, follow each other on every rank without
/// waiting for the other ranks.
template <class T>
void run_calls(std::mt19937& random, int ranks, int calls) {
    memory m(ranks);
    std::vector<schedule> schedules;
    std::vector<buffers<T>> data;
    std::vector<std::size_t> counts;
    std::vector<call_shape> shapes;
    std::vector<tree_call<T>> prepared;
    std::vector<int> pulled;
    std::vector<std::uint32_t> sizes(static_cast<std::size_t>(calls));
    data.reserve(static_cast<std::size_t>(calls));
    for (int c = 0; c < calls; ++c) {
        const auto kind = static_cast<collective>(random() % collective_names.size());
        const int lanes = 1 + static_cast<int>(random() % 2);
        const int root = static_cast<int>(random() % static_cast<unsigned>(ranks));
        schedules.push_back(is_sharded(kind) ? made::random_forest(kind, ranks, 1, static_cast<unsigned>(random()))
                                             : random_schedule(random, kind, ranks, lanes, root));
        counts.push_back(random() % 3 == 0 ? random() % 5 : random() % 3000);
        data.emplace_back(random, schedules.back(), counts.back(), random() % 2 == 0, random() % 2);
        const shape_limits limits{std::max(2, static_cast<int>(schedules.back().lanes.size())), memory::slot_bytes,
                                  random() % 2 == 0 ? 0 : 128 * (1 + random() % 20), random() % 2 == 0};
        shapes.push_back(make_shape(schedules.back(), counts.back(), sizeof(T), limits));
        prepared.push_back(make_call(schedules.back(), m, data.back(), shapes.back()));
        prepared.back().staged = limits.slots_down;
        std::uint32_t& size = sizes[static_cast<std::size_t>(c)];
        size = drawn_chunk(random, shapes.back());
        if (random() % 2 == 0) { prepared.back().chunk_now = &size; }
        pulled.push_back(!limits.slots_down && can_pull(schedules.back()) && random() % 2 == 0 ? 1 : 0);
    }
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t c = 0; c < prepared.size(); ++c) {
                    const auto& call = prepared[c];
                    if (pulled[c] == 1) {
                        enter<true>(call, schedules[c], r, shapes[c].blocks);
                    } else {
                        enter(call.staged ? seen_by(call, r) : call, schedules[c], r, shapes[c].blocks);
                    }
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

} // namespace

TEST_CASE("random schedules, sizes and chunks give the exact result, call after call") {
    std::mt19937 random(1);
    for (int round = 0; round < 3; ++round) {
        run_calls<std::int32_t>(random, 2, 4);
        run_calls<std::int32_t>(random, 3, 3);
        run_calls<double>(random, 4, 3);
    }
}

TEST_CASE("ranks that share a GPU run as one kernel") {
    std::mt19937 random(2);
    memory m(3);
    const schedule s = random_schedule(random, collective::allreduce, 3, 2, 0);
    buffers<std::int64_t> b(random, s, 4321, false, 1);
    const call_shape shape = make_shape(s, 4321, sizeof(std::int64_t), {2, memory::slot_bytes, 1024});
    tree_call<std::int64_t> call = make_call(s, m, b, shape);
    for (std::uint8_t r = 0; r < 3; ++r) { call.local_ranks[r] = r; }
    run_kernel(call, to_runtime_schedule(s), sum{}, shape.blocks, 3, threads_per_block);
    check_result(s, b, 4321);
}

TEST_CASE("a schedule known to the compiler runs like one known at run time") {
    using form = static_schedule<static_lane<static_tree<-1, 0, 0, 1>, static_tree<-1, 0, 0, 1>, 2>,
                                 static_lane<static_tree<3, 3, 1, -1>>>;
    std::mt19937 random(3);
    memory m(4);
    const schedule s = form::value(collective::allreduce);
    verify(s);
    buffers<float> b(random, s, 3001, false, 0);
    const call_shape shape = make_shape(s, 3001, sizeof(float), {2, memory::slot_bytes, 2048});
    tree_call<float> call = make_call(s, m, b, shape);
    for (std::uint8_t r = 0; r < 4; ++r) { call.local_ranks[r] = r; }
    run_kernel(call, form{}, sum{}, shape.blocks, 4, threads_per_block);
    check_result(s, b, 3001);
}

TEST_CASE("a ring, whose trees up and down differ, runs on the same program") {
    schedule ring{collective::allreduce, 3, 0, {}};
    for (int end = 0; end < 3; ++end) {
        lane l{end, 1.0 / 3, std::vector<role>(3)};
        for (int step = 1; step < 3; ++step) {
            const int from = (end + step) % 3;
            const int to = (end + step + 1) % 3;
            l.roles[static_cast<std::size_t>(from)].reduce_to = to;
            l.roles[static_cast<std::size_t>(to)].reduce_from.push_back(from);
            const int reader = (end + step) % 3;
            const int writer = (end + step - 1) % 3;
            l.roles[static_cast<std::size_t>(reader)].broadcast_from = writer;
            l.roles[static_cast<std::size_t>(writer)].broadcast_to.push_back(reader);
        }
        ring.lanes.push_back(std::move(l));
    }
    verify(ring);
    std::mt19937 random(4);
    memory m(3);
    for (const bool staged : {false, true}) {
        buffers<std::int32_t> b(random, ring, 2999, true, 0);
        const call_shape shape = make_shape(ring, 2999, sizeof(std::int32_t), {3, memory::slot_bytes, 512, staged});
        tree_call<std::int32_t> call = make_call(ring, m, b, shape);
        call.staged = staged;
        for (std::uint8_t r = 0; r < 3; ++r) { call.local_ranks[r] = r; }
        run_kernel(call, to_runtime_schedule(ring), sum{}, shape.blocks, 3, threads_per_block);
        check_result(ring, b, 2999);
    }
}

TEST_CASE("every hop carries the bytes of its lane, once in each direction") {
    std::mt19937 random(31);
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        const schedule s = random_schedule(random, kind, 3, 2, 1);
        memory m(3);
        const std::size_t count = 2000;
        buffers<int> b(random, s, count, false, 0);
        const call_shape shape = make_shape(s, count, sizeof(int), {3, memory::slot_bytes, 512});
        tree_call<int> call = make_call(s, m, b, shape);
        for (int r = 0; r < 3; ++r) { call.local_ranks[r] = static_cast<std::uint8_t>(r); }
        traffic carried;
        run_kernel(call, to_runtime_schedule(s), sum{}, shape.blocks, 3, threads_per_block, &carried);
        const auto ranges = split(s, count, shape.grain);
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            for (std::size_t r = 0; r < 3; ++r) {
                const role& own = s.lanes[l].roles[r];
                const std::uint64_t bytes = ranges[l].size() * sizeof(int);
                CHECK(carried.bytes[l][r][1] == (own.reduce_to == no_rank ? 0 : bytes));
                CHECK(carried.bytes[l][r][0] == (own.broadcast_from == no_rank ? 0 : bytes));
            }
        }
    }
}

TEST_CASE("who waits past the deadline names the missing rank") {
    std::mt19937 random(5);
    memory m(2);
    using pair = static_schedule<static_lane<static_tree<-1, 0>>>;
    const schedule s = pair::value(collective::reduce);
    buffers<float> b(random, s, 100, false, 0);
    const call_shape shape = make_shape(s, 100, sizeof(float), {1, memory::slot_bytes, 0});
    tree_call<float> call = make_call(s, m, b, shape);
    call.timeout_ns = 50'000'000;
    enter(call, s, 0, shape.blocks);
    CHECK(m.words[0] == 1);
    REQUIRE(m.words[1] != 0);
    const fault found = fault::unpacked(m.words[1]);
    CHECK(found.what == awaited::partial);
    CHECK(found.rank == 0);
    CHECK(found.peer == 1);
    CHECK(found.chunk == 0);
}

TEST_CASE("a missing rank ends the call on every other rank") {
    std::mt19937 random(7);
    memory m(3);
    using star = static_schedule<static_lane<static_tree<-1, 0, 0>>>;
    const schedule s = star::value(collective::allreduce);
    buffers<float> b(random, s, 100, false, 0);
    const call_shape shape = make_shape(s, 100, sizeof(float), {1, memory::slot_bytes, 0});
    tree_call<float> call = make_call(s, m, b, shape);
    call.timeout_ns = 50'000'000;
    {
        const std::jthread first([&] { enter(call, s, 0, shape.blocks); });
        const std::jthread second([&] { enter(call, s, 1, shape.blocks); });
    }
    CHECK(m.words[0] == 1);
    CHECK((m.words[1] != 0 || m.words[2] != 0));
}

TEST_CASE("an abort from outside ends a wait long before its deadline, without a fault") {
    std::mt19937 random(6);
    memory m(2);
    using pair = static_schedule<static_lane<static_tree<-1, 0>>>;
    const schedule s = pair::value(collective::broadcast);
    buffers<float> b(random, s, 100, false, 0);
    const call_shape shape = make_shape(s, 100, sizeof(float), {1, memory::slot_bytes, 0});
    const tree_call<float> call = make_call(s, m, b, shape);
    {
        const std::jthread lonely([&] { enter(call, s, 1, shape.blocks); });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        std::atomic_ref(m.words[0]).store(1);
    }
    CHECK(std::ranges::count(m.words, std::uint64_t{0}) == max_ranks);
}
