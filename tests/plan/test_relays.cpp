// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/host_group.hpp>
#include <blink/execute/simulate/simulate.hpp>
#include <blink/packing/check.hpp>
#include <blink/plan.hpp>
#include <blink/plan_json.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

using namespace blink;

namespace {

constexpr std::array every_collective{collective::broadcast, collective::reduce, collective::allreduce,
                                      collective::allgather, collective::reduce_scatter};

plan relayed(const std::vector<int>& gpus, const std::vector<int>& relays, collective kind, int root = best_root) {
    return make_plan(topology(dgx1v), gpus, kind, root, {.pack = {.slack = 0}, .relays = relays});
}

} // namespace

TEST_CASE("three GPUs that only PCIe joins run at the speed of their NVLinks once the idle GPUs forward") {
    const std::vector<int> gpus{1, 4, 6};
    const plan alone = relayed(gpus, {}, collective::allreduce);
    const plan p = relayed(gpus, {0, 2, 3, 5, 7}, collective::allreduce);
    CHECK(alone.packing.GBps < 20);
    CHECK(p.packing.GBps == doctest::Approx(112.5).epsilon(1e-9));
    CHECK(p.relays == std::vector{0, 2, 3, 5, 7});
}

TEST_CASE("plans with relays pass every check, are timed near their rate, and are equal after writing and reading") {
    for (const collective kind : every_collective) {
        for (const std::vector<int>& gpus : {std::vector{1, 4, 6}, std::vector{0, 1}, std::vector{3, 2, 7, 5, 0}}) {
            std::vector<int> relays;
            for (int v = 0; v < 8; ++v) {
                if (std::ranges::find(gpus, v) == gpus.end()) { relays.push_back(v); }
            }
            for (const int root : {best_root, static_cast<int>(gpus.size()) - 1}) {
                const plan p = relayed(gpus, relays, kind, root);
                CAPTURE(to_string(kind));
                CHECK_NOTHROW(check(p.packing, p.fabric));
                CHECK_NOTHROW(verify(p.schedule));
                CHECK_NOTHROW(verify_load(p.schedule, p.fabric, p.packing));
                const simulation s = simulate_best_chunk(p.schedule, p.fabric, 1UL << 30);
                CHECK(s.GBps > 0.8 * p.packing.GBps);
                CHECK(s.GBps < p.packing.GBps * (1 + 1e-6));
                const plan again = plan_from_json(to_json(p).dump(2), "x");
                CHECK(again.relays == p.relays);
                CHECK(again.fabric == p.fabric);
                CHECK(again.packing == p.packing);
                CHECK(again.schedule == p.schedule);
            }
        }
    }
}

TEST_CASE("the report names the relays of each edge, in the order in which data pass them") {
    topology line("line", 4);
    line.connect({0, 1, 25});
    line.connect({1, 2, 25});
    line.connect({2, 3, 25});
    const plan p = make_plan(line, std::vector{0, 3}, collective::broadcast, 0, {.relays = {2, 1}});
    REQUIRE(p.packing.trees.size() == 1);
    CHECK(relays_on(p, p.packing.trees[0].edges[0].down) == std::vector{1, 2});
    const json::value v(plan_report(p));
    CHECK(v.at("relays").dump() == "[2,1]");
    CHECK(v.at("trees").as_array()[0].at("relays").dump() == "[[[1,2],[]]]");
    const plan both = make_plan(line, std::vector{0, 3}, collective::allreduce, 0, {.relays = {1, 2}});
    CHECK(json::value(plan_report(both)).at("trees").as_array()[0].at("relays").dump().find("[[1,2],[2,1]]") !=
          std::string::npos);
}

TEST_CASE("a relay that is not there, is named twice or takes part is refused") {
    CHECK_THROWS_WITH_AS((void)relayed({0, 1}, {8}, collective::allreduce), "dgx1v: relay 8 is none of its GPUs 0..7",
                         usage_error);
    CHECK_THROWS_WITH_AS((void)relayed({0, 1}, {2, 3, 2}, collective::allreduce), "dgx1v: relay 2 is given twice",
                         usage_error);
    CHECK_THROWS_WITH_AS((void)relayed({0, 1}, {1}, collective::allreduce), "dgx1v: relay 1 takes part as a rank",
                         usage_error);
}

TEST_CASE("host ranks keep plans with and without relays apart, and run both") {
    host_group group({.gpus = {1, 4, 6}});
    const plan& alone = group.plan_for(collective::allreduce);
    const plan& with = group.plan_for(collective::allreduce, 0, {.relays = {0, 2, 3, 5, 7}});
    CHECK(with.packing.GBps > 5 * alone.packing.GBps);
    CHECK(&group.plan_for(collective::allreduce, 0, {.relays = {0, 2, 3, 5, 7}}) == &with);
    host::worker_pool pool(2);
    constexpr std::size_t count = 1000;
    std::vector<std::vector<int>> data(3, std::vector<int>(count));
    for (std::size_t r = 0; r < 3; ++r) {
        for (std::size_t i = 0; i < count; ++i) { data[r][i] = static_cast<int>((r + 1) * i); }
    }
    const std::array<const int*, 3> in{data[0].data(), data[1].data(), data[2].data()};
    const std::array<int*, 3> out{data[0].data(), data[1].data(), data[2].data()};
    host::execute<int>(pool, host::compile(with.schedule), in, out, count, sum{}, {});
    for (const auto& rank : data) {
        for (std::size_t i = 0; i < count; ++i) { REQUIRE(rank[i] == static_cast<int>(6 * i)); }
    }
}
