// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce on every kind of fragment of a DGX-1P and a DGX-1V, over emulated links on one GPU: Blink's
/// trees beside the rings and chains that NCCL forms there. Writes a CSV line for each measurement.
#include <blink/execute/simulate/baselines.hpp>
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "emulated_bench.cuh"
#include "fragments.hpp"

namespace {

using blink::collective;

std::string joined(const std::vector<int>& ranks) {
    std::string text;
    for (const int r : ranks) { text += std::to_string(r); }
    return text;
}

/// Whether a baseline keeps to NVLink.
bool over_pcie(const blink::baseline& b) { return b.label.find("PCIe") != std::string::npos; }

void measure_fragment(const blink::topology& machine, const std::vector<int>& ranks,
                      const std::vector<std::size_t>& sizes, std::ostream& csv) {
    blink_paper::bench b(machine, ranks, sizes.back());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, ranks, kind, 0);
        const auto line = [&](std::size_t bytes, const std::string& who, const std::string& wires, double model,
                              double found) {
            csv << machine.name() << ',' << joined(ranks) << ',' << to_string(kind) << ',' << bytes << ','
                << b.group().scale() << ',' << who << ',' << wires << ',' << model << ',' << found << '\n'
                << std::flush;
        };
        for (const std::size_t bytes : sizes) {
            line(bytes, "blink", "nvlink", p.packing.GBps, b.measure(p.schedule, p.fabric, bytes));
            for (const blink::baseline& other : blink::baselines(induced(machine, ranks), kind, 0)) {
                const std::string who = other.label.find("ring") != std::string::npos ? "rings" : "chains";
                const std::string wires = over_pcie(other) ? "pcie" : "nvlink";
                if (other.s.lanes.size() > blink::cuda::max_lanes) {
                    std::cerr << machine.name() << ' ' << joined(ranks) << ": " << other.label << " have "
                              << other.s.lanes.size() << " lanes, " << blink::cuda::max_lanes << " fit; not measured\n";
                    continue;
                }
                line(bytes, who, wires, other.GBps, b.measure(other.s, other.f, bytes));
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: " << argv[0] << " FILE.csv [MIB OF THE LARGEST MESSAGE, default 500]\n";
        return 2;
    }
    if (blink::cuda::visible_gpus() == 0) {
        std::cerr << "no GPU is visible: skipped\n";
        return 77;
    }
    try {
        const std::size_t largest = argc == 3 ? std::stoul(argv[2]) : 500;
        std::ofstream csv(argv[1]);
        csv << "machine,ranks,collective,bytes,scale,who,wires,model_GBps,emulated_GBps\n";
        for (const blink::topology& machine : {blink::topology(blink::dgx1p), blink::topology(blink::dgx1v)}) {
            const auto fragments = blink_paper::unique_fragments(machine);
            std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
            for (const std::vector<int>& ranks : fragments) {
                std::cout << "  " << joined(ranks) << '\n' << std::flush;
                measure_fragment(machine, ranks, {largest / 5 << 20, largest << 20}, csv);
            }
        }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
