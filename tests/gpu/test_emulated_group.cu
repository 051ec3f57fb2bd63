// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/emulated_group.cuh>
#include <blink/execute/simulate/baselines.hpp>
#include <blink/execute/simulate/relayed_rings.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "groups.cuh"

using namespace gpu_test;
using blink::collective;

namespace {

constexpr double GBps = 23; // a link of a DGX-1V as the paper measured it

blink::topology joined(int gpus, const std::vector<std::pair<int, int>>& wires) {
    blink::topology t("made", gpus);
    for (const auto& [a, b] : wires) { t.connect({a, b, GBps, 1, blink::link_kind::nvlink}); }
    return t;
}

blink::topology chain(int gpus) {
    std::vector<std::pair<int, int>> wires;
    for (int i = 0; i + 1 < gpus; ++i) { wires.emplace_back(i, i + 1); }
    return joined(gpus, wires);
}

blink::topology star(int gpus) {
    std::vector<std::pair<int, int>> wires;
    for (int i = 1; i < gpus; ++i) { wires.emplace_back(0, i); }
    return joined(gpus, wires);
}

/// Two GPUs send to one in the middle, which hands on to two others; it has a link to each.
blink::topology crossing() { return joined(5, {{0, 2}, {1, 2}, {2, 3}, {2, 4}}); }

/// Chains of two hops that meet in GPU 0, each with `arms` beginnings.
blink::topology meeting_chains(int arms) {
    std::vector<std::pair<int, int>> wires;
    for (int i = 0; i < arms; ++i) {
        wires.emplace_back(0, 1 + 2 * i);
        wires.emplace_back(1 + 2 * i, 2 + 2 * i);
    }
    return joined(1 + 2 * arms, wires);
}

/// Runs a schedule on whole numbers, checks every element, and gives the best rate of three calls.
double measured_GBps(blink::emulated_group& group, const blink::schedule& s, const blink::fabric& f,
                     std::size_t bytes) {
    const std::size_t count = bytes / sizeof(float);
    auto in = group.make_buffers<float>(count);
    auto out = group.make_buffers<float>(count);
    std::vector<const float*> from;
    std::vector<float*> to;
    for (int r = 0; r < group.size(); ++r) {
        in.fill(r, static_cast<float>(r + 1));
        from.push_back(in[r]);
        to.push_back(out[r]);
    }
    float best_ms = 0;
    cudaEvent_t before{};
    cudaEvent_t after{};
    blink::cuda::check(cudaEventCreate(&before), "cudaEventCreate");
    blink::cuda::check(cudaEventCreate(&after), "cudaEventCreate");
    for (int i = 0; i < 4; ++i) {
        blink::cuda::check(cudaEventRecord(before, group.stream(0)), "cudaEventRecord");
        group.run_schedule<float>(s, f, from, to, count, blink::sum{});
        blink::cuda::check(cudaEventRecord(after, group.stream(0)), "cudaEventRecord");
        group.synchronize();
        float ms = 0;
        blink::cuda::check(cudaEventElapsedTime(&ms, before, after), "cudaEventElapsedTime");
        if (i > 0) { best_ms = i == 1 ? ms : std::min(best_ms, ms); }
    }
    blink::cuda::check(cudaEventDestroy(before), "cudaEventDestroy");
    blink::cuda::check(cudaEventDestroy(after), "cudaEventDestroy");
    const int n = group.size();
    const float expected = static_cast<float>(s.kind == collective::broadcast ? s.root + 1 : n * (n + 1) / 2);
    for (int r = 0; r < n; ++r) {
        if (s.kind == collective::reduce && r != s.root) { continue; }
        const std::vector<float> result = out.read(r);
        CHECK(std::ranges::count(result, expected) == static_cast<std::ptrdiff_t>(count));
    }
    return static_cast<double>(bytes) / (static_cast<double>(best_ms) * 1e6);
}

/// The plan of `kind` from rank 0, run over emulated links.
double measured_GBps(const blink::topology& machine, collective kind, std::size_t bytes) {
    blink::emulated_group group({.machine = machine, .virtual_ranks = machine.gpu_count()});
    const blink::plan& p = group.plan_for(kind, 0, {});
    return measured_GBps(group, p.schedule, p.fabric, bytes);
}

constexpr std::size_t long_message = std::size_t{256} << 20;

void check_rate(const blink::topology& machine, collective kind, double expected) {
    const double found = measured_GBps(machine, kind, long_message);
    MESSAGE(machine.name() << " of " << machine.gpu_count() << ", " << to_string(kind) << ": " << found << " GB/s of "
                           << expected);
    CHECK(found > 0.97 * expected);
    CHECK(found < 1.005 * expected);
}

} // namespace

TEST_CASE("one emulated link carries its rate, within 3 %" * doctest::skip(!one_gpu())) {
    check_rate(chain(2), collective::broadcast, GBps);
    check_rate(chain(2), collective::allreduce, GBps);
}

TEST_CASE("emulated chains of 3 to 8 forward and reduce at the rate of a link" * doctest::skip(!one_gpu())) {
    for (const int gpus : {3, 5, 8}) {
        check_rate(chain(gpus), collective::broadcast, GBps);
        check_rate(chain(gpus), collective::reduce, GBps);
        check_rate(chain(gpus), collective::allreduce, GBps);
    }
}

TEST_CASE("emulated fan-out and fan-in are as fast as one of their links" * doctest::skip(!one_gpu())) {
    for (const int gpus : {3, 5}) {
        check_rate(star(gpus), collective::broadcast, GBps);
        check_rate(star(gpus), collective::reduce, GBps);
    }
}

TEST_CASE("emulated depth test: reduce-forward holds its rate from 3 to 8 GPUs in a row" * doctest::skip(!one_gpu())) {
    double least = GBps;
    double most = 0;
    for (int gpus = 3; gpus <= 8; ++gpus) {
        const double found = measured_GBps(chain(gpus), collective::allreduce, long_message);
        MESSAGE("reduce-forward through " << gpus << " GPUs: " << found << " GB/s of " << GBps);
        CHECK(found > 0.97 * GBps);
        CHECK(found < 1.005 * GBps);
        least = std::min(least, found);
        most = std::max(most, found);
    }
    CHECK(least > 0.97 * most);
}

TEST_CASE("emulated MIMO test: two transfers in and two out of one GPU run at once" * doctest::skip(!one_gpu())) {
    check_rate(crossing(), collective::allreduce, GBps);
    // Two trees with half of the data each, rooted at different ends of the star, so that they cross in its middle.
    const blink::topology machine = crossing();
    blink::emulated_group group({.machine = machine, .virtual_ranks = 5});
    const blink::fabric f = blink::make_fabric(machine);
    const auto hop = [&](int from, int to) {
        const auto found = std::ranges::find_if(f.arcs, [&](const auto& a) { return a.from == from && a.to == to; });
        return static_cast<int>(found - f.arcs.begin());
    };
    blink::schedule s{collective::allreduce, 5, 0, {}};
    using edges = std::vector<std::pair<int, int>>;
    for (const auto& [root, tree] :
         {std::pair{0, edges{{0, 2}, {2, 1}, {2, 3}, {2, 4}}}, std::pair{3, edges{{3, 2}, {2, 0}, {2, 1}, {2, 4}}}}) {
        blink::lane l{root, 0.5, std::vector<blink::role>(5)};
        for (const auto& [parent, child] : tree) {
            auto& above = l.roles[static_cast<std::size_t>(parent)];
            auto& below = l.roles[static_cast<std::size_t>(child)];
            above.reduce_from.push_back(child);
            above.broadcast_to.push_back(child);
            below.reduce_to = below.broadcast_from = parent;
            below.reduce_arc = hop(child, parent);
            below.broadcast_arc = hop(parent, child);
        }
        s.lanes.push_back(l);
    }
    const double found = measured_GBps(group, s, f, long_message);
    MESSAGE("two trees through one GPU: " << found << " GB/s of " << GBps);
    CHECK(found > 0.97 * GBps);
    CHECK(found < 1.005 * GBps);
}

TEST_CASE("emulated MCA test: chains that are aggregated where they meet keep the rate of a link" *
          doctest::skip(!one_gpu())) {
    for (const int arms : {2, 3}) {
        check_rate(meeting_chains(arms), collective::reduce, GBps);
        check_rate(meeting_chains(arms), collective::allreduce, GBps);
    }
}

TEST_CASE("emulated short messages, for compute-sanitizer" * doctest::skip(!one_gpu())) {
    for (const std::size_t bytes : {std::size_t{4}, std::size_t{516}, std::size_t{12} << 10}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            CHECK(measured_GBps(chain(3), kind, bytes) > 0);
        }
        CHECK(measured_GBps(star(4), collective::allreduce, bytes) > 0);
    }
}

TEST_CASE("lanes that share an emulated link get their shares of it" * doctest::skip(!one_gpu())) {
    const blink::topology machine = chain(3);
    blink::emulated_group group({.machine = machine, .virtual_ranks = 3});
    blink::plan p = group.plan_for(collective::broadcast, 0, {});
    blink::lane half = p.schedule.lanes.at(0);
    half.share = 0.25;
    p.schedule.lanes[0].share = 0.75;
    p.schedule.lanes.push_back(half);
    const double found = measured_GBps(group, p.schedule, p.fabric, long_message);
    CHECK(found > 0.97 * GBps);
    CHECK(found < 1.005 * GBps);
}

TEST_CASE("a scale slows every emulated link alike" * doctest::skip(!one_gpu())) {
    blink::emulated_group group({.machine = chain(3), .virtual_ranks = 3}, 0.25);
    const blink::plan& p = group.plan_for(collective::allreduce, 0, {});
    const double found = measured_GBps(group, p.schedule, p.fabric, long_message / 2);
    CHECK(found > 0.97 * GBps / 4);
    CHECK(found < 1.005 * GBps / 4);
}

TEST_CASE("trees and rings of a DGX-1V fragment run at their rates over emulated links" * doctest::skip(!one_gpu())) {
    const std::vector<int> gpus{0, 1, 3};
    // With chunks of 64 KiB two chains fill and drain for so long that 95 % is what is left.
    blink::emulated_group group({.machine = blink::topology(blink::dgx1v),
                                 .gpus = gpus,
                                 .virtual_ranks = 3,
                                 .tuned = {.most_chunk_bytes = 32U << 10}});
    const blink::plan& p = group.plan_for(collective::allreduce, 0, {});
    CHECK(measured_GBps(group, p.schedule, p.fabric, long_message) > 0.95 * p.packing.GBps);
    for (const blink::baseline& b : blink::baselines(induced(group.machine(), gpus), collective::allreduce)) {
        CHECK(measured_GBps(group, b.s, b.f, long_message) > 0.95 * b.GBps);
    }
}

TEST_CASE("rings whose hops lead through a rank run at their rate over emulated links" * doctest::skip(!one_gpu())) {
    const std::vector<int> gpus{0, 1, 4}; // no ring over NVLink unless GPU 0 forwards
    blink::emulated_group group({.machine = blink::topology(blink::dgx1v), .gpus = gpus, .virtual_ranks = 3});
    const blink::fabric f = blink::make_fabric(induced(group.machine(), gpus), blink::link_choice::all);
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink::baseline b = blink::relayed_rings(f, kind);
        REQUIRE(b.label == "1 NVLink ring through ranks");
        CHECK(measured_GBps(group, b.s, b.f, long_message) > 0.95 * b.GBps);
    }
}

TEST_CASE("an emulated group refuses links without a rate" * doctest::skip(!one_gpu())) {
    CHECK_THROWS_AS(blink::emulated_group({.machine = chain(2), .virtual_ranks = 2}, 0), blink::usage_error);
}
