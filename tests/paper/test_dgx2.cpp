// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/paced_links.hpp>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/host/executor.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include "dgx2.hpp"
#include "emulating_gpu.hpp"

using blink_paper::contender;
using blink_paper::dgx2_ranks;

namespace {

/// GB/s at which the most loaded link of `c` is full.
double rate_of(const contender& c) {
    const std::vector<double> load = blink::link_load(c.s, c.f, 1);
    double most = 0;
    for (std::size_t l = 0; l < load.size(); ++l) { most = std::max(most, load[l] / c.f.links[l].GBps); }
    return 1 / most;
}

} // namespace

TEST_CASE("contenders on a DGX-2 are AllReduces over its hops") {
    for (const auto& all : {blink_paper::dgx2_contenders(), blink_paper::dgx2_emulated_contenders()}) {
        for (const contender& c : all) {
            CAPTURE(c.who);
            CHECK(c.s.kind == blink::collective::allreduce);
            CHECK(c.s.ranks == dgx2_ranks);
            CHECK_NOTHROW(blink::verify(c.s));
            CHECK_NOTHROW((void)blink::cuda::pace(c.s, c.f));
        }
    }
}

TEST_CASE("contenders that one GPU plays fit it at every size") {
    const auto all = blink_paper::dgx2_emulated_contenders();
    REQUIRE(all.size() == 3);
    for (const contender& c : all) {
        CAPTURE(c.who);
        CHECK(c.s.ranks <= blink::cuda::max_ranks);
        CHECK_NOTHROW((void)blink::cuda::to_runtime_schedule(c.s));
        CHECK(c.s.lanes.size() <= static_cast<std::size_t>(blink::cuda::max_lanes));
        for (std::size_t bytes = 1U << 10; bytes <= 1U << 30; bytes *= 2) {
            int blocks = 0;
            for (const int b : blink_paper::layout_on_gpu(c.s, bytes).blocks) { blocks += b; }
            CHECK(blocks * dgx2_ranks <= blink_paper::resident_blocks);
        }
    }
}

TEST_CASE("a ring one way round a switch has the rate of rings both ways") {
    const auto all = blink_paper::dgx2_contenders();
    const auto emulated = blink_paper::dgx2_emulated_contenders();
    CHECK(emulated[1].s.lanes.size() == static_cast<std::size_t>(dgx2_ranks));
    CHECK(all[1].s.lanes.size() == 2 * emulated[1].s.lanes.size());
    CHECK(rate_of(emulated[1]) == doctest::Approx(rate_of(all[1])));
    CHECK(rate_of(emulated[1]) == doctest::Approx(150.0 * 16 / 30));
}

TEST_CASE("contenders that one GPU plays add up every element") {
    blink::host::worker_pool pool(2);
    std::mt19937 dice(5);
    for (const contender& c : blink_paper::dgx2_emulated_contenders()) {
        const auto compiled = blink::host::compile(c.s);
        for (const std::size_t count : {std::size_t{1}, std::size_t{37}, std::size_t{256}, std::size_t{100'003}}) {
            CAPTURE(c.who);
            CAPTURE(count);
            std::vector<std::vector<int>> in(dgx2_ranks), out(dgx2_ranks, std::vector<int>(count, -1));
            std::vector<int> expected(count, 0);
            std::vector<const int*> from;
            std::vector<int*> to;
            for (std::size_t r = 0; r < in.size(); ++r) {
                for (std::size_t i = 0; i < count; ++i) {
                    in[r].push_back(static_cast<int>(dice() % 1'000'000));
                    expected[i] += in[r][i];
                }
                from.push_back(in[r].data());
                to.push_back(out[r].data());
            }
            blink::host::execute<int>(pool, compiled, from, to, count, blink::sum{});
            for (const std::vector<int>& o : out) { CHECK(o == expected); }
        }
    }
}
