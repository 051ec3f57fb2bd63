// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Time to repair a plan after a lost link, the slowest over all links and roots, beside planning anew.
#include <blink/repair.hpp>
#include <blink/topology/machines.hpp>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace blink;

/// The machines that `machine` becomes when all wires between two of its GPUs go.
std::vector<topology> damaged(const topology& machine) {
    std::vector<topology> all;
    for (int a = 0; a < machine.gpu_count(); ++a) {
        for (int b = a + 1; b < machine.gpu_count(); ++b) {
            const bool joined =
                std::ranges::any_of(machine.links(), [&](const blink::link& l) { return l.from == a && l.to == b; });
            if (joined) { all.push_back(without_wires(machine, a, b)); }
        }
    }
    return all;
}

/// Every lost link once a round, for every root; the counters are over the rounds' repairs, in microseconds.
void repair_all(benchmark::State& state, const topology& machine, collective kind, bool anew) {
    std::vector<int> gpus(static_cast<std::size_t>(machine.gpu_count()));
    std::iota(gpus.begin(), gpus.end(), 0);
    const std::vector<topology> machines = damaged(machine);
    std::vector<plan> plans;
    for (int root = 0; root < (is_rooted(kind) ? machine.gpu_count() : 1); ++root) {
        plans.push_back(make_plan(machine, gpus, kind, root));
    }
    std::vector<double> times;
    for (auto _ : state) {
        for (const plan& before : plans) {
            for (const topology& less : machines) {
                times.push_back(1e6 * (anew ? make_plan(less, gpus, kind, before.packing.root).seconds
                                            : repair_plan(before, less).after.seconds));
            }
        }
    }
    std::ranges::sort(times);
    state.counters["median_us"] = times[times.size() / 2];
    state.counters["p99_us"] = times[times.size() * 99 / 100];
    state.counters["max_us"] = times.back();
}

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    for (const topology& machine : {topology(dgx1v), topology(dgx1p)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            for (const bool anew : {false, true}) {
                const std::string name =
                    machine.name() + "/" + std::string(to_string(kind)) + (anew ? "/planned_anew" : "/repaired");
                benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) {
                    repair_all(s, machine, kind, anew);
                })->Unit(benchmark::kMillisecond);
            }
        }
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
