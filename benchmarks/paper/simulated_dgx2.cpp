// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce among the 16 GPUs of a DGX-2 in modelled time, 1 KiB to 1 GiB: Blink's one-hop trees, a ring, a double
/// binary tree and a chain, all run by the blocks of the same executor with the chunk size that suits each.
#include <blink/core/error.hpp>

#include <cstddef>
#include <ostream>

#include "csv_main.hpp"
#include "dgx2.hpp"
#include "peer_gpu.hpp"

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{"who,bytes,chunk_bytes,microseconds,GBps", 1024};
    return blink_paper::csv_main(argc, argv, of, [](std::ostream& csv, std::size_t largest) {
        for (const blink_paper::contender& c : blink_paper::dgx2_contenders()) {
            for (std::size_t bytes = 1 << 10; bytes <= largest; bytes *= 2) {
                const auto best = blink_paper::best_chunk(c.s, c.f, bytes);
                csv << c.who << ',' << bytes << ',' << best.chunk_bytes << ',' << best.times.seconds * 1e6 << ','
                    << best.times.GBps << '\n';
            }
        }
    });
}
