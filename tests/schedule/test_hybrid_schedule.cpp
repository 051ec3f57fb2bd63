// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/plan.hpp>
#include <blink/schedule/hybrid_schedule.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using blink::collective;

namespace {

struct pair_of_plans {
    blink::plan fast, slow;
    [[nodiscard]] blink::fabric both() const { return blink::joined(fast.fabric, slow.fabric); }
    [[nodiscard]] blink::schedule at(double share) const {
        return blink::hybrid_schedule(fast.schedule, slow.schedule, share, static_cast<int>(fast.fabric.arcs.size()));
    }
};

pair_of_plans plans(const std::vector<int>& gpus, collective kind, int root = 0) {
    const blink::topology machine(blink::dgx1v);
    return {blink::make_plan(machine, gpus, kind, root, {.links = blink::link_choice::nvlink}),
            blink::make_plan(machine, gpus, kind, root, {.links = blink::link_choice::pcie})};
}

} // namespace

TEST_CASE("both sets together do what the collective promises and load each link by their shares") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        for (const std::vector<int>& gpus : {std::vector{0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7}}) {
            CAPTURE(to_string(kind));
            const int root = is_rooted(kind) ? 1 : 0;
            const pair_of_plans p = plans(gpus, kind, root);
            const blink::fabric f = p.both();
            for (const double share : {0.0, 0.1, 0.5, 1.0}) {
                CAPTURE(share);
                const blink::schedule s = p.at(share);
                CHECK_NOTHROW(blink::verify(s));
                const auto found = blink::link_load(s, f, 1);
                const auto fast = blink::link_load(p.fast.schedule, p.fast.fabric, 1 - share);
                const auto slow = blink::link_load(p.slow.schedule, p.slow.fabric, share);
                REQUIRE(found.size() == fast.size() + slow.size());
                for (std::size_t l = 0; l < found.size(); ++l) {
                    const double expected = l < fast.size() ? fast[l] : slow[l - fast.size()];
                    CHECK(found[l] == doctest::Approx(expected).epsilon(1e-12));
                }
            }
            CHECK(p.at(0) == p.fast.schedule);
            CHECK(p.at(0.25).lanes.size() == p.fast.schedule.lanes.size() + p.slow.schedule.lanes.size());
        }
    }
}

TEST_CASE("at the share of the rates the sets fill their links together") {
    const pair_of_plans p = plans({0, 1, 2, 3}, collective::broadcast);
    const double both = p.fast.packing.GBps + p.slow.packing.GBps;
    CHECK_NOTHROW(blink::verify_load(p.at(p.slow.packing.GBps / both), p.both(), both));
    CHECK_THROWS_AS(blink::verify_load(p.at(0.5), p.both(), both), blink::schedule_error);
}

TEST_CASE("what does not belong together is refused") {
    const pair_of_plans p = plans({0, 1, 2}, collective::broadcast);
    const pair_of_plans larger = plans({0, 1, 2, 3}, collective::broadcast);
    const pair_of_plans other_root = plans({0, 1, 2}, collective::broadcast, 1);
    const pair_of_plans other_kind = plans({0, 1, 2}, collective::allreduce);
    for (const auto* q : {&larger, &other_root, &other_kind}) {
        CHECK_THROWS_AS((void)blink::hybrid_schedule(p.fast.schedule, q->slow.schedule, 0.1, 1), blink::schedule_error);
    }
    CHECK_THROWS_AS((void)blink::joined(p.fast.fabric, larger.slow.fabric), blink::plan_error);
    CHECK_THROWS_AS((void)p.at(-0.1), blink::usage_error);
    CHECK_THROWS_AS((void)p.at(1.1), blink::usage_error);
}
