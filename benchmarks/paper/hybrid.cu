// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce over NVLink and PCIe together among the first 3 to 8 GPUs of a DGX-1V, over emulated links
/// on one GPU. Writes a CSV line for NVLink alone and for each share of the data that PCIe takes.
#include <blink/topology/machines/dgx1.hpp>

#include <cstddef>
#include <iostream>
#include <numeric>
#include <vector>

#include "emulated_bench.cuh"
#include "hybrid.hpp"

namespace {

using blink::collective;

/// Parts of the share with which both would fill their links, if neither took any time to begin.
constexpr double parts[] = {0, 0.25, 0.5, 0.75, 0.9, 1};

void measure(int gpus, const std::vector<std::size_t>& sizes, std::ostream& csv) {
    std::vector<int> ranks(static_cast<std::size_t>(gpus));
    std::iota(ranks.begin(), ranks.end(), 0);
    blink_paper::bench b(blink::topology(blink::dgx1v), ranks, sizes.back());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink_paper::hybrid_plans p(gpus, kind);
        const double nvlink = p.nvlink.packing.GBps;
        const double pcie = p.pcie.packing.GBps;
        for (const double part : parts) {
            const double share = part * pcie / (nvlink + pcie);
            const blink::schedule s = p.at(share);
            if (s.lanes.size() > blink::cuda::max_lanes) {
                std::cerr << gpus << " GPUs, " << to_string(kind) << ": " << s.lanes.size() << " lanes, "
                          << blink::cuda::max_lanes << " fit; not measured\n";
                continue;
            }
            for (const std::size_t bytes : sizes) {
                csv << gpus << ',' << to_string(kind) << ',' << bytes << ',' << b.group().scale() << ',' << share << ','
                    << nvlink << ',' << pcie << ',' << b.measure(s, p.both, bytes) << '\n'
                    << std::flush;
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{"gpus,collective,bytes,scale,pcie_share,nvlink_GBps,pcie_GBps,emulated_GBps",
                                        512};
    return blink_paper::emulated_main(argc, argv, of, [](std::ostream& csv, std::size_t largest) {
        std::vector<std::size_t> sizes;
        for (std::size_t bytes = 1 << 20; bytes <= largest; bytes *= 8) { sizes.push_back(bytes); }
        for (int gpus = 3; gpus <= 8; ++gpus) {
            std::cout << "GPUs 0 to " << gpus - 1 << '\n' << std::flush;
            measure(gpus, sizes, csv);
        }
    });
}
