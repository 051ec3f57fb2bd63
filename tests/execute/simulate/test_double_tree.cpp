// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/double_tree.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/machines/nvswitch.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

namespace {

blink::fabric switched(int gpus) {
    std::vector<int> some(static_cast<std::size_t>(gpus));
    std::iota(some.begin(), some.end(), 0);
    return blink::make_fabric(blink::induced(blink::dgx2, some), blink::link_choice::nvlink);
}

/// Hops from rank `r` to the root of its lane.
int depth_of(const blink::lane& l, int r) {
    int hops = 0;
    for (; l.roles[static_cast<std::size_t>(r)].reduce_to != blink::no_rank; ++hops) {
        r = l.roles[static_cast<std::size_t>(r)].reduce_to;
    }
    return hops;
}

} // namespace

TEST_CASE("double binary trees of 2 to 16 ranks are verified, flat, and fill the most loaded port") {
    for (int n = 2; n <= 16; ++n) {
        CAPTURE(n);
        const blink::baseline b = blink::double_tree_allreduce(switched(n));
        REQUIRE(b.s.lanes.size() == 2);
        blink::verify(b.s);
        blink::verify_load(b.s, b.f, b.GBps);
        CHECK_THROWS_AS(blink::verify_load(b.s, b.f, b.GBps * 1.01), blink::schedule_error);
        for (const blink::lane& l : b.s.lanes) {
            for (int r = 0; r < n; ++r) {
                CHECK(depth_of(l, r) <= static_cast<int>(std::bit_width(static_cast<unsigned>(n - 1))));
                CHECK(l.roles[static_cast<std::size_t>(r)].reduce_from.size() <= 2);
            }
        }
    }
}

TEST_CASE("of an even number of ranks each forwards in one of the two trees at most") {
    for (int n = 2; n <= 16; n += 2) {
        const blink::baseline b = blink::double_tree_allreduce(switched(n));
        for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r) {
            CHECK((b.s.lanes[0].roles[r].reduce_from.empty() || b.s.lanes[1].roles[r].reduce_from.empty()));
        }
    }
}

TEST_CASE("sixteen GPUs of a DGX-2 take in half of the data four times in a double tree, so 75 GB/s") {
    CHECK(blink::double_tree_allreduce(switched(16)).GBps == doctest::Approx(75));
}

TEST_CASE("a machine without hops between all ranks has no double tree") {
    const blink::fabric f = blink::make_fabric(blink::topology(blink::dgx1v), blink::link_choice::nvlink);
    CHECK_THROWS_AS((void)blink::double_tree_allreduce(f), blink::plan_error);
}
