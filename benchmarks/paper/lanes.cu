// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// When each lane of a collective among the eight GPUs of a DGX-1V ends, over emulated links on one GPU. Writes a CSV
/// line for each call and lane; prints the spread of the ends.
#include <blink/plan.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "emulated_bench.cuh"

namespace {

void measure(const std::vector<int>& gpus, std::size_t bytes, std::ostream& csv) {
    const blink::topology machine(blink::dgx1v);
    blink_paper::bench b(machine, gpus, bytes);
    for (const blink::collective kind : {blink::collective::broadcast, blink::collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, gpus, kind, 0);
        const double GBps = b.measure(p.schedule, p.fabric, bytes); // without stamps
        for (int call = 0; call < blink_paper::calls; ++call) {
            const auto ends = b.lane_ends(p.schedule, p.fabric, bytes);
            for (std::size_t l = 0; l < ends.size(); ++l) {
                const double end = *std::max_element(ends[l].begin(), ends[l].end());
                csv << to_string(kind) << ',' << bytes << ',' << b.group().scale() << ',' << call << ',' << l << ','
                    << p.schedule.lanes[l].share << ',' << end * 1e3 << ',' << GBps << ',' << p.packing.GBps << '\n';
            }
            std::cout << to_string(kind) << " of " << (bytes >> 20) << " MiB: the ends of its " << ends.size()
                      << " lanes lie " << 100 * blink::cuda::spread_of(ends) << " % apart\n"
                      << std::flush;
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " FILE.csv\n";
        return 2;
    }
    if (blink::cuda::visible_gpus() == 0) {
        std::cerr << "no GPU is visible: skipped\n";
        return 77;
    }
    try {
        std::vector<int> gpus(8);
        std::iota(gpus.begin(), gpus.end(), 0);
        std::ofstream csv(argv[1]);
        csv << "collective,bytes,scale,call,lane,share,milliseconds,GBps,model_GBps\n";
        for (const std::size_t mib : {std::size_t{100}, std::size_t{500}}) { measure(gpus, mib << 20, csv); }
        csv.close();
        if (!csv) { throw blink::error(std::string(argv[1]) + ": cannot be written"); }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
