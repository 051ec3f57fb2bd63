// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/baselines.hpp>
#include <blink/execute/simulate/simulate.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/machines/nvswitch.hpp>
#include <blink/topology/machines/pcie.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

#include "../../schedule/made_packings.hpp"

using blink::collective;

namespace {

constexpr std::size_t large = 1'000'000'000;

template <class Machine>
blink::topology some(const Machine& machine, std::vector<int> gpus) {
    return blink::induced(machine, gpus);
}

void check(const blink::baseline& b) {
    CAPTURE(b.label);
    for (const int slots : {1, 2}) { CHECK_NOTHROW(blink::verify(b.s, {3, slots})); }
    CHECK_NOTHROW(blink::verify_load(b.s, b.f, b.GBps));
    CHECK_THROWS_AS(blink::verify_load(b.s, b.f, b.GBps * 1.01), blink::schedule_error);
}

} // namespace

TEST_CASE("eight GPUs of a DGX-1V allreduce over six rings, each direction its own, at 6 * 8/14 lanes") {
    const auto b = blink::ring_allreduce(blink::make_fabric(blink::topology(blink::dgx1v)));
    CHECK(b.label == "6 NVLink rings");
    CHECK(b.GBps == doctest::Approx(6 * 8.0 / 14 * 25));
    check(b);
    const auto result = blink::simulate(b.s, b.f, large);
    CHECK(result.GBps < b.GBps);
    CHECK(result.GBps > 0.97 * b.GBps);
}

TEST_CASE("in a ring every rank is the root of its part, reduced towards it and broadcast onward") {
    const auto b = blink::ring_allreduce(made::random(3, 1, collective::allreduce, 1).fabric);
    REQUIRE(b.s.lanes.size() == 6);
    const blink::lane& l = b.s.lanes[1]; // ring 0 1 2, root 1
    CHECK(l.root == 1);
    CHECK(l.share == doctest::Approx(1.0 / 6));
    CHECK(l.roles[2].reduce_to == 0);
    CHECK(l.roles[0].reduce_to == 1);
    CHECK(l.roles[1].broadcast_to == std::vector<int>{2});
    CHECK(l.roles[2].broadcast_to == std::vector<int>{0});
}

TEST_CASE("every baseline of every prefix of the GPUs of a machine is verified and fills its links") {
    for (int n = 1; n <= 8; ++n) {
        std::vector<int> gpus(static_cast<std::size_t>(n));
        std::iota(gpus.begin(), gpus.end(), 0);
        for (const blink::topology& g : {some(blink::dgx1v, gpus), some(blink::dgx1p, gpus), some(blink::dgx2, gpus),
                                         some(blink::hgx_h100, gpus), some(blink::pcie8, gpus)}) {
            CAPTURE(g.name());
            CAPTURE(n);
            for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
                for (const auto& b : blink::baselines(g, kind, n - 1)) {
                    CHECK_NOTHROW(blink::verify(b.s));
                    if (n > 1) { check(b); }
                }
            }
        }
    }
}

TEST_CASE("GPUs without an NVLink ring fall back to a PCIe ring, and the label says so") {
    const auto all = blink::baselines(some(blink::dgx1v, {0, 1, 4}), collective::allreduce);
    REQUIRE(all.size() == 2);
    CHECK(all[0].label == "1 PCIe ring (NVLink has none)");
    CHECK(all[1].label == "1 NVLink chain");
    CHECK(all[1].GBps == 25);
    CHECK(all[0].GBps < all[1].GBps);
    const auto nvlink = blink::make_fabric(some(blink::dgx1v, {0, 1, 4}), blink::link_choice::nvlink);
    CHECK_THROWS_WITH_AS((void)blink::ring_allreduce(nvlink), "no ring among 3 ranks over the hops of the fabric",
                         blink::plan_error);
    CHECK(blink::ring_allreduce(blink::make_fabric(blink::topology(blink::pcie4))).label == "1 PCIe ring");
}

TEST_CASE("a ring broadcast is a pipeline per ring, slower in latency by the length of the ring") {
    const blink::fabric f = blink::make_fabric(blink::topology(blink::dgx1v));
    const auto b = blink::ring_broadcast(f, 3);
    CHECK(b.s.lanes.size() == 6);
    CHECK(b.GBps == 150);
    const auto small = blink::simulate(b.s, b.f, 8, {.latency_us = 2, .overhead_us = 0});
    CHECK(small.seconds == doctest::Approx(7 * 2e-6).epsilon(0.01));
    CHECK_THROWS_AS((void)blink::ring_broadcast(f, 8), blink::usage_error);
    CHECK_THROWS_AS((void)blink::ring_rooted(f, collective::allreduce, 0), blink::usage_error);
}

TEST_CASE("three trees beat the two rings of GPUs 0,1,3,4,5,7 of a DGX-1P, as in the paper") {
    // Figure 4 of the paper; the broadcast from GPU 3 over whole links gains 3 : 2.
    const blink::fabric f = blink::make_fabric(some(blink::dgx1p, {0, 1, 3, 4, 5, 7}), blink::link_choice::nvlink);
    const auto ring = blink::ring_broadcast(f, 2);
    CHECK(ring.GBps == 40);
    // ranks 0 1 2 | 3 4 5 are two triangles, joined 0-3, 1-4, 2-5
    std::vector<blink::packed_tree> trees;
    for (const made::edges& e :
         {made::edges{{2, 0}, {0, 1}, {0, 3}, {3, 5}, {3, 4}}, made::edges{{2, 1}, {1, 0}, {1, 4}, {4, 3}, {4, 5}},
          made::edges{{2, 5}, {5, 3}, {5, 4}, {3, 0}, {4, 1}}}) {
        trees.push_back(made::tree(f, collective::broadcast, 2, 20, e));
    }
    const blink::packing p = made::pack(f, collective::broadcast, trees);
    const auto s = blink::make_schedule(p);
    blink::verify(s);
    blink::verify_load(s, f, p);
    const double gain = blink::simulate(s, f, large).GBps / blink::simulate(ring.s, ring.f, large).GBps;
    CHECK(gain == doctest::Approx(1.5).epsilon(0.03));
}

TEST_CASE("a plan for six GPUs of a DGX-1V runs in the model at the rate that it promises, beside the rings") {
    const std::vector<int> gpus{0, 1, 2, 3, 4, 5};
    const blink::topology machine(blink::dgx1v);
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, gpus, kind, 0);
        blink::verify(p.schedule);
        blink::verify_load(p.schedule, p.fabric, p.packing);
        const auto own = blink::simulate_best_chunk(p.schedule, p.fabric, large);
        CHECK(own.GBps <= p.packing.GBps * (1 + 1e-9));
        CHECK(own.GBps > 0.95 * p.packing.GBps);
        const auto ring = blink::baselines(blink::induced(machine, gpus), kind).front();
        CHECK(ring.label == "2 NVLink rings");
        const double gain = own.GBps / blink::simulate_best_chunk(ring.s, ring.f, large).GBps;
        CHECK(gain == doctest::Approx(p.packing.GBps / ring.GBps).epsilon(0.05));
        if (kind == collective::allreduce) { CHECK(gain > 1.5); }
    }
}

TEST_CASE("the rings of an allgather and a reduce_scatter are the halves of an allreduce") {
    const blink::fabric f = blink::make_fabric(blink::topology(blink::dgx1v));
    for (const auto kind : {blink::collective::allgather, blink::collective::reduce_scatter}) {
        const blink::baseline b = blink::ring_sharded(f, kind);
        blink::verify(b.s);
        blink::verify_load(b.s, b.f, b.GBps);
        CHECK(b.GBps == doctest::Approx(2 * blink::ring_allreduce(f).GBps));
        CHECK(blink::simulate_best_chunk(b.s, b.f, 1'000'000'000).GBps == doctest::Approx(b.GBps).epsilon(0.02));
    }
    CHECK_THROWS_AS((void)blink::ring_sharded(f, blink::collective::reduce), blink::usage_error);
}
