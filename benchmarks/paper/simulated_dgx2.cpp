// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce among the 16 GPUs of a DGX-2 in modelled time, 1 KiB to 1 GiB: Blink's one-hop trees, a ring, a double
/// binary tree and a chain, all run by the blocks of the same executor with the chunk size that suits each.
#include <blink/execute/simulate/double_tree.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines/nvswitch.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "peer_gpu.hpp"

namespace {

struct contender {
    std::string who;
    blink::schedule s;
    blink::fabric f;
};

std::vector<contender> contenders() {
    std::vector<int> gpus(16);
    std::iota(gpus.begin(), gpus.end(), 0);
    const blink::topology machine(blink::dgx2);
    const blink::fabric f = blink::make_fabric(machine, blink::link_choice::nvlink);
    const blink::plan p = blink::make_plan(machine, gpus, blink::collective::allreduce);
    return {{"blink", p.schedule, p.fabric},
            {"ring", blink::ring_allreduce(f).s, f},
            {"double_tree", blink::double_tree_allreduce(f).s, f},
            {"chain", blink::chain_allreduce(f).s, f}};
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: " << argv[0] << " FILE.csv [MIB OF THE LARGEST MESSAGE, default 1024]\n";
        return 2;
    }
    try {
        const std::size_t largest = (argc == 3 ? std::stoul(argv[2]) : 1024) << 20;
        std::ofstream csv(argv[1]);
        csv << "who,bytes,chunk_bytes,microseconds,GBps\n";
        for (const contender& c : contenders()) {
            for (std::size_t bytes = 1 << 10; bytes <= largest; bytes *= 2) {
                const auto best = blink_paper::best_chunk(c.s, c.f, bytes);
                csv << c.who << ',' << bytes << ',' << best.chunk_bytes << ',' << best.times.seconds * 1e6 << ','
                    << best.times.GBps << '\n';
            }
        }
        if (!csv) { throw blink::error(std::string(argv[1]) + ": cannot be written"); }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
