// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/paced_links.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/relay_stops.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "kernel_calls.hpp"

using namespace kernel_test;

namespace {

plan relayed_plan(const std::vector<int>& gpus, const std::vector<int>& relays, collective kind, int root) {
    return make_plan(topology(dgx1v), gpus, kind, root, {.relays = relays});
}

/// Calls over the plan's relays, each participant on a thread of its own and never waiting for the others.
/// @param factor what the operator multiplies each contribution by
template <class T, class Op = sum>
void run_calls(const plan& p, std::mt19937& random, const std::vector<std::size_t>& counts, const Op& op = {},
               T factor = 1) {
    const relayed_schedule relayed = with_relay_stops(p.schedule, p.fabric, static_cast<int>(p.relays.size()));
    const int participants = relayed.participants.ranks;
    REQUIRE(participants > relayed.ranks);
    REQUIRE(participants <= max_ranks);
    memory m(participants);
    std::vector<buffers<T>> data;
    std::vector<call_shape> shapes;
    std::vector<tree_call<T>> calls;
    std::vector<std::uint32_t> sizes;
    data.reserve(counts.size());
    sizes.reserve(counts.size());
    for (const std::size_t count : counts) {
        data.emplace_back(random, p.schedule, count, random() % 2 == 0, random() % 2);
        const shape_limits limits{static_cast<int>(p.schedule.lanes.size()), memory::slot_bytes,
                                  128 * (1 + random() % 4), true};
        shapes.push_back(make_shape(p.schedule, count, sizeof(T), limits));
        calls.push_back(make_call(p.schedule, m, data.back(), shapes.back()));
        sizes.push_back(drawn_chunk(random, shapes.back()));
        if (random() % 2 == 0) { calls.back().chunk_now = &sizes.back(); }
    }
    {
        std::vector<std::jthread> streams;
        for (int v = 0; v < participants; ++v) {
            streams.emplace_back([&, v] {
                for (std::size_t c = 0; c < calls.size(); ++c) {
                    enter(calls[c], relayed.participants, v, shapes[c].blocks, op);
                }
            });
        }
    }
    CHECK(m.words[0] == 0);
    for (std::size_t c = 0; c < counts.size(); ++c) {
        for (auto& of_rank : data[c].original) {
            for (T& x : of_rank) { x *= factor; }
        }
        check_result(p.schedule, data[c], counts[c]);
    }
}

} // namespace

TEST_CASE("GPUs that only PCIe joins exchange over relays, every collective, call after call") {
    std::mt19937 random(11);
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce,
                                  collective::allgather, collective::reduce_scatter}) {
        CAPTURE(to_string(kind));
        run_calls<std::int32_t>(relayed_plan({1, 4, 6}, {0, 2, 3, 5, 7}, kind, 1), random, {1, 1301, 700});
    }
}

TEST_CASE("two ranks over one relay: rings of slots are reused many times") {
    std::mt19937 random(12);
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
        run_calls<double>(relayed_plan({1, 4}, {0}, kind, 0), random, {2000, 2001});
    }
}

TEST_CASE("relays multiply nothing, neither on the way up nor down") {
    std::mt19937 random(14);
    for (const collective kind : {collective::allreduce, collective::reduce, collective::reduce_scatter}) {
        run_calls<std::int32_t>(relayed_plan({1, 4, 6}, {0, 2, 3, 5, 7}, kind, 1), random, {901}, premul_sum{3}, 3);
    }
    run_calls<std::int32_t>(relayed_plan({1, 4}, {0}, collective::broadcast, 0), random, {1501}, premul_sum{3});
}

TEST_CASE("every stop carries the bytes of its lanes, and a missing relay is named by its number") {
    const plan p = relayed_plan({1, 4}, {0}, collective::broadcast, 0);
    const relayed_schedule relayed = with_relay_stops(p.schedule, p.fabric, 1);
    std::mt19937 random(13);
    memory m(relayed.participants.ranks);
    buffers<int> b(random, p.schedule, 500, false, 0);
    const shape_limits limits{static_cast<int>(p.schedule.lanes.size()), memory::slot_bytes, 256, true};
    const call_shape shape = make_shape(p.schedule, 500, sizeof(int), limits);
    tree_call<int> call = make_call(p.schedule, m, b, shape);
    for (int v = 0; v < relayed.participants.ranks; ++v) { call.local_ranks[v] = static_cast<std::uint8_t>(v); }
    traffic carried;
    run_kernel(call, to_runtime_schedule(relayed.participants), sum{}, shape.blocks, relayed.participants.ranks,
               threads_per_block, &carried);
    check_result(p.schedule, b, 500);
    const auto ranges = split(p.schedule, 500, shape.grain);
    for (std::size_t l = 0; l < ranges.size(); ++l) {
        for (const std::size_t reader : {std::size_t{1}, std::size_t{2}}) {
            CHECK(carried.bytes[l][reader][0] == ranges[l].size() * sizeof(int));
        }
    }

    call.timeout_ns = 50'000'000;
    {
        const std::jthread first([&] { enter(call, relayed.participants, 0, shape.blocks); });
        const std::jthread second([&] { enter(call, relayed.participants, 1, shape.blocks); });
    }
    REQUIRE(m.words[1] != 0);
    CHECK(fault::unpacked(m.words[1]).peer == 2);
}
