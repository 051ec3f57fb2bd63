// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Time to plan: one packing of whole machines, the slowest over all fragments of the DGX-1, plans of many boxes with
/// and without slack, and the bounds alone of a thousand GPUs.
#include <blink/packing/pack.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <numeric>
#include <string>
#include <vector>

#include "machines.hpp"

namespace {

using namespace blink;

void plan_machine(benchmark::State& state, const topology& box, collective kind) {
    const fabric f = make_fabric(box);
    packing p;
    for (auto _ : state) {
        p = pack(f, kind, 0);
        benchmark::DoNotOptimize(p);
    }
    state.counters["candidates"] = p.weights.candidates;
    state.counters["trees"] = static_cast<double>(p.trees.size());
    state.counters["of_bound"] = p.GBps / p.bound.GBps;
}

/// From the machine to the schedule, the root searched too.
void plan_all(benchmark::State& state, const topology& machine, collective kind, double slack) {
    std::vector<int> gpus(static_cast<std::size_t>(machine.gpu_count()));
    std::iota(gpus.begin(), gpus.end(), 0);
    plan p{machine, {}, {}, {}, {}, {}, 0};
    for (auto _ : state) {
        p = make_plan(machine, gpus, kind, best_root, {.links = {}, .pack = {.slack = slack}});
        benchmark::DoNotOptimize(p);
    }
    state.counters["trees"] = static_cast<double>(p.packing.trees.size());
    state.counters["of_bound"] = p.packing.GBps / p.packing.bound.GBps;
}

/// Boxes without their first GPU, which have no rails: the general way.
void plan_fragment(benchmark::State& state, const topology& machine, collective kind) {
    std::vector<int> gpus(static_cast<std::size_t>(machine.gpu_count() - 1));
    std::iota(gpus.begin(), gpus.end(), 1);
    fabric f = make_fabric(induced(machine, gpus));
    packing p;
    for (auto _ : state) {
        p = pack_on_any_route(f, kind, 0);
        benchmark::DoNotOptimize(p);
    }
    state.counters["trees"] = static_cast<double>(p.trees.size());
    state.counters["of_bound"] = p.GBps / p.bound.GBps;
}

void bound_alone(benchmark::State& state, const topology& machine, collective kind) {
    const fabric f = make_fabric(machine);
    for (auto _ : state) { benchmark::DoNotOptimize(bound(f, kind, 0)); }
}

/// Every fragment and root once a round; the counters are over the rounds' packings, in microseconds.
void plan_fragments(benchmark::State& state, const topology& box, const std::vector<boxes::fragment>& fragments) {
    std::vector<double> times;
    for (auto _ : state) {
        for (const boxes::fragment& x : fragments) {
            const fabric f = boxes::fabric_of(box, x.gpus);
            for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
                for (int root = 0; root < (is_rooted(kind) ? f.ranks : 1); ++root) {
                    const auto start = std::chrono::steady_clock::now();
                    benchmark::DoNotOptimize(pack(f, kind, root));
                    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
                    times.push_back(taken.count());
                }
            }
        }
    }
    std::sort(times.begin(), times.end());
    state.counters["min_us"] = times.front();
    state.counters["median_us"] = times[times.size() / 2];
    state.counters["p99_us"] = times[times.size() * 99 / 100];
    state.counters["max_us"] = times.back();
}

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    for (const topology& box : {boxes::dgx1v(), boxes::dgx1p(), boxes::star(16, 6), boxes::pcie_tree(4)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const std::string name =
                box.name() + "_" + std::to_string(box.gpu_count()) + "/" + std::string(to_string(kind));
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) {
                plan_machine(s, box, kind);
            })->Unit(benchmark::kMicrosecond);
        }
    }
    benchmark::RegisterBenchmark("dgx1v/fragments", [](benchmark::State& s) {
        plan_fragments(s, boxes::dgx1v(), boxes::dgx1v_fragments);
    })->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("dgx1p/fragments", [](benchmark::State& s) {
        plan_fragments(s, boxes::dgx1p(), boxes::dgx1p_fragments);
    })->Unit(benchmark::kMillisecond);
    constexpr collective all[] = {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter};
    for (const std::string name : {"dgx1p", "dgx1v", "dgx2", "dgx_a100", "mi250", "dgx_a100x2", "dgx_a100x4",
                                   "dgx_a100x8", "hgx_h100x2", "hgx_h100x4", "hgx_h100x8", "hgx_h100x16"}) {
        for (const collective kind : all) {
            for (const double slack : {0.05, 0.0}) {
                const std::string label =
                    "plan/" + name + "/" + std::string(to_string(kind)) + "/slack:" + (slack > 0 ? "0.05" : "0");
                benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& s) {
                    plan_all(s, machine_named(name), kind, slack);
                })->Unit(benchmark::kMillisecond);
            }
        }
    }
    for (const std::string name : {"hgx_h100", "hgx_h100x32", "hgx_h100x64", "hgx_h100x128"}) {
        for (const collective kind : all) {
            const std::string label = "plan/" + name + "/" + std::string(to_string(kind)) + "/slack:0.05";
            benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& s) {
                plan_all(s, machine_named(name), kind, 0.05);
            })->Unit(benchmark::kMillisecond);
        }
    }
    for (const std::string name : {"dgx_a100x2", "dgx_a100x4", "dgx_a100x8", "hgx_h100x16"}) {
        for (const collective kind : all) {
            const std::string label = "all_but_one/" + name + "/" + std::string(to_string(kind));
            benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& s) {
                plan_fragment(s, machine_named(name), kind);
            })->Unit(benchmark::kMillisecond);
        }
    }
    for (const collective kind : all) {
        const std::string label = "bound/1024_gpus/" + std::string(to_string(kind));
        benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& s) {
            bound_alone(s, boxes_of(hgx_h100, 128, 50, "hgx_h100x128"), kind);
        })->Unit(benchmark::kMillisecond);
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
