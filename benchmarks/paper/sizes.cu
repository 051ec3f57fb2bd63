// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce of 1 to 64 MiB over emulated links on one GPU, calls that follow each other in a graph:
/// Blink's trees beside rings and chains. Writes a CSV line for each measurement.
#include <blink/execute/simulate/baselines.hpp>
#include <blink/plan.hpp>

#include <cstddef>
#include <iostream>
#include <string>

#include "emulated_bench.cuh"
#include "fragments.hpp"
#include "sizes.hpp"

namespace {

void measure(const blink_paper::sized_configuration& of, std::ostream& csv) {
    blink_paper::bench b(of.machine, of.gpus, blink_paper::sized_calls.back().first);
    for (const blink::collective kind : {blink::collective::broadcast, blink::collective::allreduce}) {
        const auto lines = [&](const std::string& who, const std::string& wires, const blink::schedule& s,
                               const blink::fabric& f, double model_GBps) {
            for (const auto& [bytes, repeats] : blink_paper::sized_calls) {
                const double us = b.measure_graph_us(s, f, bytes, repeats);
                csv << of.machine.name() << ',' << blink_paper::joined(of.gpus) << ',' << to_string(kind) << ','
                    << bytes << ',' << b.group().scale() << ',' << who << ',' << wires << ',' << model_GBps << ','
                    << static_cast<double>(bytes) / (us * 1e3) / b.group().scale() << '\n'
                    << std::flush;
            }
        };
        const blink::plan p = blink::make_plan(of.machine, of.gpus, kind, 0);
        lines("blink", "nvlink", p.schedule, p.fabric, p.packing.GBps);
        for (const blink::baseline& other : blink::baselines(induced(of.machine, of.gpus), kind, 0)) {
            if (other.s.lanes.size() > blink::cuda::max_lanes) { continue; }
            const bool pcie = other.label.find("PCIe") != std::string::npos;
            const bool rings = other.label.find("ring") != std::string::npos;
            lines(rings ? "rings" : "chains", pcie ? "pcie" : "nvlink", other.s, other.f, other.GBps);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{"machine,ranks,collective,bytes,scale,who,wires,model_GBps,emulated_GBps"};
    return blink_paper::emulated_main(argc, argv, of, [](std::ostream& csv, std::size_t /*largest*/) {
        for (const blink_paper::sized_configuration& some : blink_paper::sized_configurations()) {
            std::cout << some.machine.name() << ' ' << blink_paper::joined(some.gpus) << '\n' << std::flush;
            measure(some, csv);
        }
    });
}
