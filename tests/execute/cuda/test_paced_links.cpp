// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/paced_links.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/load.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <numeric>
#include <vector>

using namespace blink;
using namespace blink::cuda;

namespace {

plan planned(const topology& t, collective kind) {
    std::vector<int> gpus(static_cast<std::size_t>(t.gpu_count()));
    std::iota(gpus.begin(), gpus.end(), 0);
    return make_plan(t, gpus, kind, 0);
}

/// GB/s that each link carries when every lane moves its share of `GBps` over the paced routes.
std::vector<double> load_of(const paced_plan& paced, const schedule& s, double GBps) {
    std::vector<double> load(paced.ns_per_byte.size(), 0);
    for (std::size_t l = 0; l < s.lanes.size(); ++l) {
        for (int r = 0; r < s.ranks; ++r) {
            for (const bool up : {false, true}) {
                const paced_route& route = paced.routes[route_index(static_cast<int>(l), r, up, s.ranks)];
                for (int i = 0; i < route.count; ++i) { load[route.links[i]] += s.lanes[l].share * GBps; }
            }
        }
    }
    return load;
}

} // namespace

TEST_CASE("paced routes load the links as the schedule says") {
    for (const topology& t : {topology(dgx1v), topology(dgx2), topology(pcie8)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const plan p = planned(t, kind);
            const std::vector<double> expected = link_load(p.schedule, p.fabric, p.packing.GBps);
            const std::vector<double> found = load_of(pace(p.schedule, p.fabric), p.schedule, p.packing.GBps);
            REQUIRE(found.size() == expected.size());
            for (std::size_t l = 0; l < found.size(); ++l) { CHECK(found[l] == doctest::Approx(expected[l])); }
        }
    }
}

TEST_CASE("links are paced to their rate, times the scale") {
    const plan p = planned(topology(dgx1v), collective::broadcast);
    const paced_plan whole = pace(p.schedule, p.fabric);
    const paced_plan half = pace(p.schedule, p.fabric, 0.5);
    for (std::size_t l = 0; l < p.fabric.links.size(); ++l) {
        CHECK(whole.ns_per_byte[l] == doctest::Approx(1 / p.fabric.links[l].GBps));
        CHECK(half.ns_per_byte[l] == doctest::Approx(2 / p.fabric.links[l].GBps));
    }
    CHECK_THROWS_AS((void)pace(p.schedule, p.fabric, 0), usage_error);
}

TEST_CASE("a hop that the fabric does not have is refused by lane and rank") {
    plan p = planned(topology(dgx1v), collective::reduce);
    p.schedule.lanes[1].roles[2].reduce_arc = 1000;
    CHECK_THROWS_WITH_AS((void)pace(p.schedule, p.fabric), "lane 1, rank 2: hop 1000 is none of the fabric",
                         plan_error);
}
