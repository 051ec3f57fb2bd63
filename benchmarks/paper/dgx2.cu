// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce among the 16 GPUs of a DGX-2 over emulated links on one GPU, 1 KiB to 1 GiB: Blink's one-hop trees, a
/// ring and a double binary tree. Writes a CSV line for each measurement.
#include <cstddef>
#include <iostream>

#include "dgx2.hpp"
#include "emulated_bench.cuh"

namespace {

/// Up to this size links have their full rate: such calls last as long as their hops, not their bytes. From it on they
/// are slower by `large_scale`.
constexpr std::size_t small_bytes = 256U << 10;
constexpr std::size_t smallest = 1U << 10;

/// The ports of 16 GPUs take 16 * 150 GB/s each way, and one-hop trees read and write each byte about 62 times in the
/// memory of the GPU that plays them, by one block for each rank and tree. The model of that GPU says that those
/// blocks need links this slow to keep them busy.
constexpr double large_scale = 1.0 / 32;

/// Calls in a graph.
constexpr int repeats = 50;

/// Calls that last long are timed one by one, with links at `large_scale` times their rate.
/// GBps is that of links at their full rate; microseconds are as they passed.
void measure_large(std::size_t largest, std::ostream& csv) {
    blink_paper::bench b(blink::topology(blink::dgx2), blink_paper::dgx2_gpus(), largest, large_scale);
    for (const auto& c : blink_paper::dgx2_emulated_contenders()) {
        std::cout << c.who << ", links at " << large_scale << " times their rate\n" << std::flush;
        for (std::size_t bytes = small_bytes; bytes <= largest; bytes *= 2) {
            const double GBps = b.measure(c.s, c.f, bytes);
            const double us = static_cast<double>(bytes) / (GBps * large_scale * 1e3);
            csv << c.who << ',' << bytes << ',' << large_scale << ',' << us << ',' << GBps << '\n' << std::flush;
        }
    }
}

void measure_small(std::size_t largest, std::ostream& csv) {
    blink_paper::bench b(blink::topology(blink::dgx2), blink_paper::dgx2_gpus(), largest, 1);
    for (const auto& c : blink_paper::dgx2_emulated_contenders()) {
        std::cout << c.who << ", links at their rate\n" << std::flush;
        for (std::size_t bytes = smallest; bytes <= largest; bytes *= 2) {
            const double us = b.measure_graph_us(c.s, c.f, bytes, repeats);
            csv << c.who << ',' << bytes << ",1," << us << ',' << static_cast<double>(bytes) / (us * 1e3) << '\n'
                << std::flush;
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    return blink_paper::emulated_main(argc, argv, {"who,bytes,scale,microseconds,GBps", 1024},
                                      [](std::ostream& csv, std::size_t largest) {
                                          measure_small(small_bytes, csv);
                                          measure_large(largest, csv);
                                      });
}
