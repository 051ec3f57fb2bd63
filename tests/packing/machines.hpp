// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Small machines for the packer's tests, and what is known of all fragments of the two DGX-1.
#pragma once

#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <array>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "made_machines.hpp"

namespace boxes {

/// One NVLink and direction, GB/s.
inline constexpr double dgx1v_lane = 25;
inline constexpr double dgx1p_lane = 20;

using made::dgx1p;
using made::dgx1v;

/// All GPUs at one non-blocking switch, `lanes` wires of 25 GB/s each.
inline blink::topology star(int gpus, int lanes) {
    blink::topology box("star", gpus, {blink::vertex_kind::nvswitch});
    for (int v = 0; v < gpus; ++v) { box.connect({v, gpus, 25.0 * lanes, lanes}); }
    return box;
}

/// Two GPUs at each PCIe switch, the switches at one host; 12 GB/s everywhere.
inline blink::topology pcie_tree(int switches) {
    std::vector<blink::vertex_kind> kinds(static_cast<std::size_t>(switches), blink::vertex_kind::pcie_switch);
    kinds.push_back(blink::vertex_kind::host);
    blink::topology box("pcie", 2 * switches, kinds);
    const int host = 3 * switches;
    for (int s = 0; s < switches; ++s) {
        for (const int gpu : {2 * s, 2 * s + 1}) {
            box.connect({gpu, 2 * switches + s, 12, 1, blink::link_kind::pcie});
        }
        box.connect({2 * switches + s, host, 12, 1, blink::link_kind::pcie});
    }
    return box;
}

/// A ring of wires plus some that the seed chooses: one to three lanes of 10 GB/s, if asked some in one direction only.
inline blink::topology random_direct(int gpus, unsigned seed, bool one_way) {
    std::mt19937 dice(seed);
    blink::topology box("random", gpus);
    for (int u = 0; u < gpus; ++u) {
        for (int v = u + 1; v < gpus; ++v) {
            const bool ring = v == u + 1 || (u == 0 && v == gpus - 1);
            if (!ring && dice() % 2 == 0) { continue; }
            const int lanes = 1 + static_cast<int>(dice() % 3);
            box.add_link({u, v, 10.0 * lanes, lanes});
            if (one_way && !ring && dice() % 2 == 0) { continue; }
            const int back = one_way ? 1 + static_cast<int>(dice() % 3) : lanes;
            box.add_link({v, u, 10.0 * back, back});
        }
    }
    return box;
}

/// A fragment and its best rates in lanes: broadcast from (or reduce to) every root, and allreduce as a fraction.
struct fragment {
    std::vector<int> gpus;
    int broadcast;
    int allreduce;
    int of;
};

inline const std::vector<fragment> dgx1v_fragments{{{0, 1, 2}, 2, 2, 1},
                                                   {{0, 1, 4}, 1, 1, 1},
                                                   {{0, 2, 3}, 3, 5, 2},
                                                   {{0, 2, 6}, 1, 1, 1},
                                                   {{0, 3, 4}, 2, 2, 1},
                                                   {{0, 1, 2, 3}, 4, 3, 1},
                                                   {{0, 1, 2, 4}, 2, 2, 1},
                                                   {{0, 1, 2, 5}, 2, 2, 1},
                                                   {{0, 1, 2, 6}, 1, 1, 1},
                                                   {{0, 1, 4, 5}, 2, 2, 1},
                                                   {{0, 1, 4, 6}, 1, 1, 1},
                                                   {{0, 1, 4, 7}, 1, 1, 1},
                                                   {{0, 2, 3, 4}, 2, 2, 1},
                                                   {{0, 2, 3, 6}, 1, 1, 1},
                                                   {{0, 2, 3, 7}, 1, 1, 1},
                                                   {{0, 2, 4, 6}, 2, 3, 2},
                                                   {{0, 2, 5, 6}, 1, 1, 1},
                                                   {{0, 3, 4, 7}, 3, 7, 3},
                                                   {{0, 3, 6, 7}, 1, 1, 1},
                                                   {{0, 1, 2, 3, 4}, 2, 2, 1},
                                                   {{0, 1, 2, 3, 6}, 1, 1, 1},
                                                   {{0, 1, 2, 4, 5}, 3, 9, 4},
                                                   {{0, 1, 2, 4, 6}, 2, 2, 1},
                                                   {{0, 1, 2, 4, 7}, 2, 2, 1},
                                                   {{0, 1, 2, 5, 6}, 2, 2, 1},
                                                   {{0, 1, 2, 5, 7}, 1, 1, 1},
                                                   {{0, 1, 2, 6, 7}, 1, 1, 1},
                                                   {{0, 1, 4, 6, 7}, 1, 1, 1},
                                                   {{0, 2, 3, 4, 6}, 2, 2, 1},
                                                   {{0, 2, 3, 4, 7}, 3, 5, 2},
                                                   {{0, 2, 3, 5, 6}, 1, 1, 1},
                                                   {{0, 2, 3, 5, 7}, 1, 1, 1},
                                                   {{0, 2, 3, 6, 7}, 2, 2, 1},
                                                   {{0, 1, 2, 3, 4, 5}, 3, 5, 2},
                                                   {{0, 1, 2, 3, 4, 6}, 2, 2, 1},
                                                   {{0, 1, 2, 3, 4, 7}, 3, 5, 2},
                                                   {{0, 1, 2, 3, 6, 7}, 2, 2, 1},
                                                   {{0, 1, 2, 4, 5, 6}, 4, 13, 5},
                                                   {{0, 1, 2, 4, 5, 7}, 3, 12, 5},
                                                   {{0, 1, 2, 4, 6, 7}, 3, 7, 3},
                                                   {{0, 1, 2, 5, 6, 7}, 2, 2, 1},
                                                   {{0, 2, 3, 4, 6, 7}, 4, 14, 5},
                                                   {{0, 2, 3, 5, 6, 7}, 2, 2, 1},
                                                   {{0, 1, 2, 3, 4, 5, 6}, 4, 3, 1},
                                                   {{0, 1, 2, 3, 4, 6, 7}, 4, 3, 1},
                                                   {{0, 1, 2, 3, 4, 5, 6, 7}, 6, 24, 7}};

inline const std::vector<fragment> dgx1p_fragments{{{0, 1, 2}, 2, 3, 2},
                                                   {{0, 1, 4}, 1, 1, 1},
                                                   {{0, 1, 2, 3}, 3, 2, 1},
                                                   {{0, 1, 2, 4}, 1, 1, 1},
                                                   {{0, 1, 4, 5}, 2, 4, 3},
                                                   {{0, 1, 4, 6}, 1, 1, 1},
                                                   {{0, 1, 2, 3, 4}, 1, 1, 1},
                                                   {{0, 1, 2, 4, 5}, 2, 3, 2},
                                                   {{0, 1, 2, 4, 7}, 1, 1, 1},
                                                   {{0, 1, 2, 3, 4, 5}, 2, 3, 2},
                                                   {{0, 1, 2, 4, 5, 6}, 3, 9, 5},
                                                   {{0, 1, 2, 4, 5, 7}, 2, 8, 5},
                                                   {{0, 1, 2, 3, 4, 5, 6}, 3, 2, 1},
                                                   {{0, 1, 2, 3, 4, 5, 6, 7}, 4, 16, 7}};

inline blink::fabric fabric_of(const blink::topology& box, const std::vector<int>& gpus) {
    return blink::make_fabric(blink::induced(box, gpus));
}

inline std::string label(const std::string& machine, const std::vector<int>& gpus) {
    std::string text = machine;
    for (const int g : gpus) { text += " " + std::to_string(g); }
    return text;
}

} // namespace boxes
