// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// When each lane of a collective among GPUs of a DGX-1V ends, over emulated links on one GPU. Writes a CSV line for
/// each call and lane; prints the spread of the ends.
#include <blink/plan.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "emulated_bench.cuh"
#include "fragments.hpp"

namespace {

/// Whose lanes, and over how many blocks of a rank; 0: as many as fit.
struct trial {
    std::vector<int> gpus;
    int blocks;
};

/// All eight, also with blocks in proportion to the shares of an AllReduce's lanes (12 5 2 2 2), and those whose
/// AllReduce the model took for faster than it was.
const std::vector<trial> trials{{{0, 1, 2, 3, 4, 5, 6, 7}, 0}, {{0, 1, 2, 3, 4, 5, 6, 7}, 23}, {{1, 2, 3, 5, 6}, 0}};

void measure(const trial& of, std::size_t bytes, std::ostream& csv) {
    const blink::topology machine(blink::dgx1v);
    blink_paper::bench b(machine, of.gpus, bytes, blink_paper::scale_for(of.gpus.size()), of.blocks);
    for (const blink::collective kind : {blink::collective::broadcast, blink::collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, of.gpus, kind, 0);
        const double GBps = b.measure(p.schedule, p.fabric, bytes); // without stamps
        for (int call = 0; call < blink_paper::calls; ++call) {
            const auto ends = b.lane_ends(p.schedule, p.fabric, bytes);
            for (std::size_t l = 0; l < ends.size(); ++l) {
                const double end = *std::max_element(ends[l].begin(), ends[l].end());
                csv << blink_paper::joined(of.gpus) << ',' << to_string(kind) << ',' << bytes << ','
                    << b.group().scale() << ',' << of.blocks << ',' << call << ',' << l << ','
                    << p.schedule.lanes[l].share << ',' << end * 1e3 << ',' << GBps << ',' << p.packing.GBps << '\n';
            }
            std::cout << "GPUs " << blink_paper::joined(of.gpus) << ", " << to_string(kind) << " of " << (bytes >> 20)
                      << " MiB" << (of.blocks > 0 ? ", " + std::to_string(of.blocks) + " blocks" : "") << ": "
                      << ends.size() << " lanes end " << 100 * blink::cuda::spread_of(ends) << " % apart, " << GBps
                      << " of " << p.packing.GBps << " GB/s\n"
                      << std::flush;
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{
        "ranks,collective,bytes,scale,blocks,call,lane,share,milliseconds,GBps,model_GBps"};
    return blink_paper::emulated_main(argc, argv, of, [](std::ostream& csv, std::size_t /*largest*/) {
        for (const trial& of : trials) {
            for (const std::size_t mib : {std::size_t{100}, std::size_t{500}}) { measure(of, mib << 20, csv); }
        }
    });
}
