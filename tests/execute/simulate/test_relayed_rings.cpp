// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/relayed_rings.hpp>
#include <blink/execute/simulate/simulate.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/machines/nvswitch.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using blink::collective;

namespace {

template <class Machine>
blink::fabric all_links(const Machine& machine, std::vector<int> gpus) {
    return blink::make_fabric(blink::induced(machine, gpus), blink::link_choice::all);
}

/// Every set of 3 to 8 GPUs.
std::vector<std::vector<int>> sets() {
    std::vector<std::vector<int>> all;
    for (unsigned mask = 0; mask < 256; ++mask) {
        std::vector<int> gpus;
        for (int g = 0; g < 8; ++g) {
            if ((mask >> g & 1U) != 0) { gpus.push_back(g); }
        }
        if (gpus.size() >= 3) { all.push_back(gpus); }
    }
    return all;
}

void check(const blink::baseline& b) {
    CAPTURE(b.label);
    blink::verify(b.s);
    blink::verify_load(b.s, b.f, b.GBps);
    CHECK_THROWS_AS(blink::verify_load(b.s, b.f, b.GBps * 1.01), blink::schedule_error);
}

} // namespace

TEST_CASE("GPUs 0, 1 and 4 of a DGX-1V have one NVLink ring, whose hop from 1 to 4 leads through 0") {
    const blink::fabric f = all_links(blink::dgx1v, {0, 1, 4});
    const blink::baseline b = blink::relayed_rings(f, collective::allreduce);
    CHECK(b.label == "1 NVLink ring through ranks");
    CHECK(b.GBps == doctest::Approx(25 * 3.0 / 4));
    CHECK(blink::ring_allreduce(f).label == "1 PCIe ring (NVLink has none)");
    const blink::fabric wider = blink::with_hops_through_ranks(f);
    const auto between = [](const blink::arc& a) { return a.from == 1 && a.to == 2; };
    const auto through = std::ranges::find_if(wider.arcs.rbegin(), wider.arcs.rend(), between);
    REQUIRE(through->route.size() == 2);
    CHECK(wider.links[static_cast<std::size_t>(through->route[0])].to == 0);
    CHECK(wider.links[static_cast<std::size_t>(through->route[1])].from == 0);
    check(b);
}

TEST_CASE("a way through a rank takes the widest pair of links") {
    // From 1 to 2 through 0 at 25 GB/s, through 3 at 50.
    blink::topology g("two ways", 4);
    g.connect({0, 1, 50, 2, blink::link_kind::nvlink, 0});
    g.connect({0, 2, 25, 1, blink::link_kind::nvlink, 0});
    g.connect({3, 1, 50, 2, blink::link_kind::nvlink, 0});
    g.connect({3, 2, 50, 2, blink::link_kind::nvlink, 0});
    const blink::fabric wider = blink::with_hops_through_ranks(blink::make_fabric(g));
    int seen = 0;
    for (const blink::arc& a : wider.arcs) {
        if (a.from != 1 || a.to != 2) { continue; }
        ++seen;
        CHECK(wider.links[static_cast<std::size_t>(a.route.at(0))].to == 3);
    }
    CHECK(seen == 1);
}

TEST_CASE("rings through ranks are verified and never slower than straight ones, for all sets of GPUs") {
    int faster = 0;
    for (const auto& gpus : sets()) {
        CAPTURE(gpus);
        for (const blink::fabric& f : {all_links(blink::dgx1v, gpus), all_links(blink::dgx1p, gpus)}) {
            for (const collective kind : {collective::allreduce, collective::broadcast}) {
                const blink::baseline b = blink::relayed_rings(f, kind, 1);
                check(b);
                const double straight =
                    kind == collective::allreduce ? blink::ring_allreduce(f).GBps : blink::ring_broadcast(f, 1).GBps;
                CHECK(b.GBps >= straight * (1 - 1e-9));
                faster += b.GBps > straight * 1.01 ? 1 : 0;
            }
        }
    }
    CHECK(faster > 0);
}

TEST_CASE("where NVLink has rings already, or a switch, ranks forward nothing") {
    const blink::fabric eight = all_links(blink::dgx1v, {0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(blink::relayed_rings(eight, collective::allreduce).label == "6 NVLink rings");
    const blink::fabric switched = blink::make_fabric(blink::topology(blink::dgx2), blink::link_choice::nvlink);
    CHECK(blink::with_hops_through_ranks(switched) == switched);
}

TEST_CASE("a hop through a rank costs the latency of both links and their bandwidth") {
    const blink::baseline b = blink::relayed_rings(all_links(blink::dgx1v, {0, 1, 4}), collective::broadcast, 0);
    CHECK(b.GBps == 25);
    const auto large = blink::simulate(b.s, b.f, 1'000'000'000);
    CHECK(large.GBps > 0.97 * 25);
    CHECK(large.GBps <= 25);
}

TEST_CASE("rings that cannot be are refused") {
    const blink::fabric f = all_links(blink::dgx1v, {0, 1, 4});
    CHECK_THROWS_AS((void)blink::relayed_rings(f, collective::broadcast, 3), blink::usage_error);
    CHECK_THROWS_AS((void)blink::relayed_rings(f, collective::allgather), blink::usage_error);
    // Three arms of two links: no ring even over two links a hop (a graph whose square has no Hamiltonian cycle).
    blink::topology arms("arms", 7);
    for (int r = 1; r <= 3; ++r) {
        arms.connect({0, r, 25, 1, blink::link_kind::nvlink, 0});
        arms.connect({r, r + 3, 25, 1, blink::link_kind::nvlink, 0});
    }
    CHECK_THROWS_AS((void)blink::relayed_rings(blink::make_fabric(arms), collective::allreduce), blink::plan_error);
}
