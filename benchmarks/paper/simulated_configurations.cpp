// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce on every kind of fragment of a DGX-1P and a DGX-1V in the model of the GPU that emulates
/// their links: what the benchmark `configurations` measures, and rings through ranks besides. Needs no GPU.
#include <blink/execute/simulate/relayed_rings.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "emulating_gpu.hpp"
#include "fragments.hpp"

namespace {

using blink::collective;

struct contender {
    std::string who;
    std::string wires;
    blink::schedule s;
    blink::fabric f;
    double GBps;
};

std::vector<contender> contenders(const blink::topology& machine, const std::vector<int>& gpus, collective kind) {
    const blink::plan p = blink::make_plan(machine, gpus, kind, 0);
    std::vector<contender> all{{"blink", "nvlink", p.schedule, p.fabric, p.packing.GBps}};
    const auto add = [&](const std::string& who, const blink::baseline& b) {
        const bool pcie = b.label.find("PCIe") != std::string::npos;
        all.push_back({who, pcie ? "pcie" : "nvlink", b.s, b.f, b.GBps});
    };
    const blink::topology g = blink::induced(machine, gpus);
    for (const blink::baseline& b : blink::baselines(g, kind, 0)) {
        add(b.label.find("ring") != std::string::npos ? "rings" : "chains", b);
    }
    add("relayed", blink::relayed_rings(blink::make_fabric(g, blink::link_choice::all), kind, 0));
    return all;
}

void simulate_fragment(const blink::topology& machine, const std::vector<int>& gpus, std::size_t largest,
                       std::ostream& csv) {
    std::string name;
    for (const int g : gpus) { name += std::to_string(g); }
    const double scale = blink_paper::scale_for(gpus.size());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        for (const contender& c : contenders(machine, gpus, kind)) {
            for (const std::size_t bytes : {largest / 5, largest}) {
                const auto layout = blink_paper::layout_on_gpu(c.s, bytes);
                const auto t = blink::simulate_blocks(c.s, blink_paper::scaled(c.f, scale), bytes, layout,
                                                      blink_paper::h200_costs);
                csv << machine.name() << ',' << name << ',' << to_string(kind) << ',' << bytes << ',' << scale << ','
                    << c.who << ',' << c.wires << ',' << c.GBps << ',' << t.GBps / scale << '\n';
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
    try {
        const std::size_t largest = (argc == 3 ? std::stoul(argv[2]) : 500) << 20;
        std::ofstream csv(argv[1]);
        csv << "machine,ranks,collective,bytes,scale,who,wires,model_GBps,simulated_GBps\n";
        for (const blink::topology& machine : {blink::topology(blink::dgx1p), blink::topology(blink::dgx1v)}) {
            const auto fragments = blink_paper::unique_fragments(machine);
            std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
            for (const std::vector<int>& gpus : fragments) { simulate_fragment(machine, gpus, largest, csv); }
        }
        if (!csv) { throw blink::error(std::string(argv[1]) + ": cannot be written"); }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
