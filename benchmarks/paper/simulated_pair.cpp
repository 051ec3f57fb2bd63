// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Collectives between two real H200s by chunks in the model of blocks, beside what `blink-perf` measured there. Needs
/// no GPU.
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <ostream>
#include <vector>

#include "csv_main.hpp"
#include "peer_gpu.hpp"

namespace {

/// Fitted to docs/paper/pair.csv: what the link carries of what kernels store, and what a block spends.
constexpr double link_GBps = 347;
constexpr blink::block_costs costs{.chunk_us = 2.73, .block_GBps = 24, .latency_us = 1.52};

} // namespace

int main(int argc, char** argv) {
    return blink_paper::csv_main(
        argc, argv, {"collective,bytes,chunk_bytes,simulated_us"}, [](std::ostream& csv, std::size_t /*largest*/) {
            const blink::topology machine(blink::hgx_h200_2);
            for (const auto kind :
                 {blink::collective::broadcast, blink::collective::reduce, blink::collective::allreduce}) {
                blink::plan p = blink::make_plan(machine, std::vector<int>{0, 1}, kind, 0);
                for (blink::link& l : p.fabric.links) { l.GBps = link_GBps; }
                for (std::size_t bytes = std::size_t{1} << 20; bytes <= std::size_t{1} << 30; bytes *= 4) {
                    const auto layout = blink_paper::layout_on_peers(p.schedule, bytes);
                    const auto t = blink::simulate_blocks(p.schedule, p.fabric, bytes, layout, costs);
                    csv << to_string(kind) << ',' << bytes << ',' << layout.chunk_bytes << ',' << t.seconds * 1e6
                        << '\n';
                }
            }
        });
}
