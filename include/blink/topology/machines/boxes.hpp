// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Several equal machines with NVSwitches, joined by one network switch.
#pragma once

#include <blink/topology/topology.hpp>

#include <string>
#include <utility>
#include <vector>

namespace blink {

/// `boxes` machines like `one`: GPU g of box k is GPU k * one.gpu_count() + g; then the NVSwitch of each box; last the
/// network switch, to which each GPU has its own NIC. The PCIe trees are left out: they join no boxes.
/// @param nic_GBps what a GPU's NIC carries each way
/// @throw topology_error for fewer than one box, or a machine with other switches on NVLink than one NVSwitch
template <capacity_graph G>
[[nodiscard]] topology boxes_of(const G& one, int boxes, double nic_GBps, std::string name) {
    const int gpus = one.gpu_count();
    if (boxes < 1) { throw topology_error(name + ": " + std::to_string(boxes) + " boxes, expected 1 or more"); }
    std::vector<vertex_kind> switches(static_cast<std::size_t>(boxes), vertex_kind::nvswitch);
    switches.push_back(vertex_kind::network_switch);
    topology result{std::move(name), boxes * gpus, std::move(switches)};
    const int network = boxes * gpus + boxes;
    for (int box = 0; box < boxes; ++box) {
        const int first = box * gpus;
        for (int g = 0; g < gpus; ++g) {
            for (const link& l : one.links()) {
                if (l.kind != link_kind::nvlink || l.from != g) { continue; }
                if (l.to >= gpus && l.to != gpus) {
                    throw topology_error(result.name() + ": expected at most one NVSwitch in a box");
                }
                const int to = l.to == gpus ? boxes * gpus + box : first + l.to;
                if (l.to < g) { continue; }
                link wire = l;
                wire.from = first + g;
                wire.to = to;
                result.connect(wire);
            }
            result.connect({first + g, network, nic_GBps, 1, link_kind::network});
        }
    }
    return result;
}

} // namespace blink
