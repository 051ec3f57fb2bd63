// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce on every kind of fragment of a DGX-1P and a DGX-1V in the model of the GPU that emulates
/// their links: what the benchmark `configurations` measures, and besides rings through ranks, plans without slack, and
/// broadcasts from all ranks. Needs no GPU.
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <iostream>
#include <vector>

#include "configuration_rates.hpp"
#include "csv_main.hpp"
#include "fragments.hpp"

int main(int argc, char** argv) {
    return blink_paper::csv_main(
        argc, argv, {blink_paper::fragment_header, 500}, [](std::ostream& csv, std::size_t largest) {
            for (const blink::topology& machine : {blink::topology(blink::dgx1p), blink::topology(blink::dgx1v)}) {
                const auto fragments = blink_paper::unique_fragments(machine);
                std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
                for (const std::vector<int>& gpus : fragments) {
                    blink_paper::write_fragment(machine, gpus, {largest / 5, largest}, csv);
                }
            }
        });
}
