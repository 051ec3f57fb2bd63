// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Time to plan: one packing of whole machines, and the slowest over all fragments of the DGX-1.
#include <blink/packing/pack.hpp>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
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
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
