// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/simulate.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "../../schedule/made_packings.hpp"

using blink::collective;
using namespace blink::literals;

namespace {

/// Within 3 %.
doctest::Approx about(double x) { return doctest::Approx(x).epsilon(0.03); }

constexpr double us = 1e-6;
constexpr std::size_t bytes = 100'000'000;
const double chunks = std::ceil(static_cast<double>(bytes) / static_cast<double>(1_MiB));
const double chunk_seconds = static_cast<double>(1_MiB) / 25e9;

blink::simulation run(const made::world& w, const blink::model_options& options = {}) {
    return blink::simulate(blink::make_schedule(w.packing), w.fabric, bytes, options);
}

} // namespace

TEST_CASE("one link carries its chunks one after the other") {
    const auto result = run(made::chain(2, collective::broadcast), {.latency_us = 2, .overhead_us = 10});
    CHECK(result.seconds == about(bytes / 25e9 + chunks * 10 * us + 2 * us));
    CHECK(result.bytes == bytes);
    CHECK(result.chunk_bytes == 1_MiB);
    CHECK(result.GBps == doctest::Approx(bytes / result.seconds * 1e-9));
}

TEST_CASE("a small message takes the latency of each hop") {
    const auto w = made::chain(4, collective::allreduce);
    const auto s = blink::make_schedule(w.packing);
    const auto result = blink::simulate(s, w.fabric, 8, {.latency_us = 5, .overhead_us = 1});
    CHECK(result.seconds == doctest::Approx(6 * 6 * us).epsilon(1e-3));
    CHECK(blink::simulate(s, w.fabric, 0).seconds == 0);
    CHECK(blink::simulate(s, w.fabric, 0).GBps == 0);
}

TEST_CASE("a chain is a pipeline: hops - 1 more chunks than one link, in each direction") {
    for (const int ranks : {3, 5, 8}) {
        const double broadcast = (chunks + ranks - 2) * (chunk_seconds + 1 * us) + (ranks - 1) * 2 * us;
        const double allreduce = (chunks + 2 * ranks - 3) * (chunk_seconds + 1 * us) + 2 * (ranks - 1) * 2 * us;
        const blink::model_options model{.latency_us = 2, .overhead_us = 1};
        CHECK(run(made::chain(ranks, collective::broadcast), model).seconds == about(broadcast));
        CHECK(run(made::chain(ranks, collective::reduce), model).seconds == about(broadcast));
        CHECK(run(made::chain(ranks, collective::allreduce), model).seconds == about(allreduce));
    }
}

TEST_CASE("a star sends to all its ends at once") {
    for (const int ranks : {3, 9}) {
        CHECK(run(made::star(ranks, collective::broadcast)).seconds == about(chunks * chunk_seconds));
        CHECK(run(made::star(ranks, collective::allreduce)).seconds == about((chunks + 1) * chunk_seconds));
    }
}

TEST_CASE("lanes on one link share it fairly and lose nothing") {
    made::world w = made::chain(2, collective::broadcast);
    blink::packed_tree half = w.packing.trees[0];
    half.GBps = 12.5;
    w.packing.trees = {half, half};
    CHECK(run(w, {.overhead_us = 0}).seconds == about(bytes / 25e9));
    w.packing.trees[0].GBps = 6.25;
    w.packing.trees[1].GBps = 18.75;
    // a quarter ends after half of its fair time, and what it leaves is used
    CHECK(run(w, {.overhead_us = 0}).seconds == about(bytes / 25e9));
}

TEST_CASE("a port of a switch is shared by all that passes it") {
    blink::topology g("switch", 3, {blink::vertex_kind::nvswitch});
    g.connect({0, 3, 30, 1, blink::link_kind::nvlink, 0});
    g.connect({1, 3, 300, 1, blink::link_kind::nvlink, 0});
    g.connect({2, 3, 300, 1, blink::link_kind::nvlink, 0});
    const blink::fabric f = blink::make_fabric(g);
    const auto tree = made::tree(f, collective::broadcast, 0, 15, {{0, 1}, {0, 2}});
    CHECK(run({f, made::pack(f, collective::broadcast, {tree})}, {.overhead_us = 0}).seconds == about(bytes / 15e9));
}

TEST_CASE("links that tell their latency are believed") {
    blink::topology g("slow", 2);
    g.connect({0, 1, 25, 1, blink::link_kind::network, 100});
    const blink::fabric f = blink::make_fabric(g);
    const auto p = made::pack(f, collective::broadcast, {made::tree(f, collective::broadcast, 0, 25, {{0, 1}})});
    CHECK(blink::simulate(blink::make_schedule(p), f, 1, {.overhead_us = 0}).seconds == about(100 * us));
}

TEST_CASE("a FIFO of one slot makes the sender wait for the receiver") {
    const auto w = made::chain(2, collective::broadcast);
    const blink::model_options one{.latency_us = 20, .overhead_us = 0, .slots = 1};
    blink::model_options two = one;
    two.slots = 2;
    CHECK(run(w, one).seconds == about(chunks * (chunk_seconds + 20 * us)));
    CHECK(run(w, two).seconds == about(bytes / 25e9 + 20 * us));
}

TEST_CASE("six trees broadcast on a DGX-1V close to 150 GB/s") {
    const auto w = made::dgx1v_broadcast();
    const auto s = blink::make_schedule(w.packing);
    const auto result = blink::simulate(s, w.fabric, 1'000'000'000, {.chunk_bytes = 1_MiB});
    CHECK(result.GBps > 140);
    CHECK(result.GBps < 150);
    CHECK(blink::simulate_best_chunk(s, w.fabric, bytes).seconds <= run(w).seconds);
}

TEST_CASE("the model is deterministic") {
    for (unsigned seed = 1; seed <= 5; ++seed) {
        const auto w = made::random(8, 20, collective::allreduce, seed);
        CHECK(run(w).seconds == run(w).seconds);
    }
}

TEST_CASE("what cannot be simulated is refused") {
    auto w = made::chain(3, collective::allreduce);
    auto s = blink::make_schedule(w.packing);
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, bytes, {.chunk_bytes = 0}), blink::usage_error);
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, bytes, {.slots = 0}), blink::usage_error);
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, bytes, {.latency_us = -1}), blink::usage_error);
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, std::size_t{1} << 60, {.chunk_bytes = 1}), blink::usage_error);
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, 1'000'000'000, {.chunk_bytes = 16}), blink::usage_error);
    CHECK_THROWS_AS((void)blink::simulate(s, made::chain(4, collective::allreduce).fabric, bytes),
                    blink::schedule_error);
    s.lanes[0].roles[1].broadcast_to.clear();
    CHECK_THROWS_WITH_AS((void)blink::simulate(s, w.fabric, bytes),
                         "simulate: rank 2, lane 0, chunk 0: waits for ever; verify says why", blink::schedule_error);
    s.lanes[0].roles[1].reduce_arc = -1;
    CHECK_THROWS_AS((void)blink::simulate(s, w.fabric, bytes), blink::schedule_error);
}
