// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce among the 16 GPUs of a DGX-2 in modelled time, 1 KiB to 1 GiB: Blink's one-hop trees, a ring, a double
/// binary tree and a chain, all run by the blocks of the same executor with the chunk size that suits each.
#include <blink/core/error.hpp>

#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

#include "dgx2.hpp"
#include "peer_gpu.hpp"

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: " << argv[0] << " FILE.csv [MIB OF THE LARGEST MESSAGE, default 1024]\n";
        return 2;
    }
    try {
        const std::size_t largest = (argc == 3 ? std::stoul(argv[2]) : 1024) << 20;
        std::ofstream csv(argv[1]);
        csv << "who,bytes,chunk_bytes,microseconds,GBps\n";
        for (const blink_paper::contender& c : blink_paper::dgx2_contenders()) {
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
