// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce of 1 to 64 MiB in the model of the GPU that emulates links: what the benchmark `sizes`
/// measures. Needs no GPU.
#include <blink/execute/cuda/call.hpp>

#include <cstddef>
#include <ostream>

#include "configuration_rates.hpp"
#include "csv_main.hpp"
#include "sizes.hpp"

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{
        "machine,ranks,collective,bytes,scale,who,wires,lanes,model_GBps,simulated_GBps"};
    return blink_paper::csv_main(argc, argv, of, [](std::ostream& csv, std::size_t /*largest*/) {
        for (const auto& [machine, gpus] : blink_paper::sized_configurations()) {
            for (const blink::collective kind : {blink::collective::broadcast, blink::collective::allreduce}) {
                for (const blink_paper::rated_schedule& c : blink_paper::contenders(machine, gpus, kind, 0)) {
                    const bool measured = c.who == "blink" || c.who == "rings" || c.who == "chains";
                    if (!measured || c.s.lanes.size() > blink::cuda::max_lanes) { continue; }
                    for (const auto& [bytes, calls] : blink_paper::sized_calls) {
                        csv << machine.name() << ',' << blink_paper::joined(gpus) << ',' << to_string(kind) << ','
                            << bytes << ',' << blink_paper::scale_for(gpus.size()) << ',' << c.who << ',' << c.wires
                            << ',' << c.s.lanes.size() << ',' << c.GBps << ',' << blink_paper::simulated_GBps(c, bytes)
                            << '\n';
                    }
                }
            }
        }
    });
}
