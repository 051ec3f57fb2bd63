// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce on every kind of fragment of a DGX-1P and a DGX-1V, over emulated links on one GPU: Blink's
/// trees beside the rings and chains that NCCL forms there. Writes a CSV line for each measurement.
#include <blink/execute/simulate/baselines.hpp>
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "emulated_bench.cuh"
#include "fragments.hpp"

namespace {

using blink::collective;

/// Whether a baseline keeps to NVLink.
bool over_pcie(const blink::baseline& b) { return b.label.find("PCIe") != std::string::npos; }

void measure_fragment(const blink::topology& machine, const std::vector<int>& ranks,
                      const std::vector<std::size_t>& sizes, std::ostream& csv) {
    blink_paper::bench b(machine, ranks, sizes.back());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, ranks, kind, 0);
        const auto line = [&](std::size_t bytes, const std::string& who, const std::string& wires, double model,
                              double found) {
            csv << machine.name() << ',' << blink_paper::joined(ranks) << ',' << to_string(kind) << ',' << bytes << ','
                << b.group().scale() << ',' << who << ',' << wires << ',' << model << ',' << found << '\n'
                << std::flush;
        };
        for (const std::size_t bytes : sizes) {
            line(bytes, "blink", "nvlink", p.packing.GBps, b.measure(p.schedule, p.fabric, bytes));
            for (const blink::baseline& other : blink::baselines(induced(machine, ranks), kind, 0)) {
                const std::string who = other.label.find("ring") != std::string::npos ? "rings" : "chains";
                const std::string wires = over_pcie(other) ? "pcie" : "nvlink";
                if (other.s.lanes.size() > blink::cuda::max_lanes) {
                    std::cerr << machine.name() << ' ' << blink_paper::joined(ranks) << ": " << other.label << " have "
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
    const blink_paper::csv_benchmark of{"machine,ranks,collective,bytes,scale,who,wires,model_GBps,emulated_GBps", 500};
    return blink_paper::emulated_main(argc, argv, of, [](std::ostream& csv, std::size_t largest) {
        for (const blink::topology& machine : {blink::topology(blink::dgx1p), blink::topology(blink::dgx1v)}) {
            const auto fragments = blink_paper::unique_fragments(machine);
            std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
            for (const std::vector<int>& ranks : fragments) {
                std::cout << "  " << blink_paper::joined(ranks) << '\n' << std::flush;
                measure_fragment(machine, ranks, {largest / 5, largest}, csv);
            }
        }
    });
}
