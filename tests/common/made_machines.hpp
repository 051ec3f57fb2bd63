// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Machines written down once more, wire by wire, so that tests do not take them from what they test.
#pragma once

#include <blink/topology/topology.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace made {

/// One entry for each wire; several between the same GPUs become one bundle.
inline blink::topology wired(const std::string& name, int gpus, const std::vector<std::vector<int>>& wires,
                             double GBps) {
    blink::topology g(name, gpus);
    for (int u = 0; u < gpus; ++u) {
        for (int v = u + 1; v < gpus; ++v) {
            const int n = wires[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)];
            if (n > 0) { g.connect({u, v, n * GBps, n, blink::link_kind::nvlink, 0}); }
        }
    }
    return g;
}

/// NVLinks of the DGX-1 with V100s, 25 GB/s each.
inline blink::topology dgx1v() {
    return wired("dgx1v", 8,
                 {{0, 1, 1, 2, 2, 0, 0, 0},
                  {1, 0, 2, 1, 0, 2, 0, 0},
                  {1, 2, 0, 2, 0, 0, 1, 0},
                  {2, 1, 2, 0, 0, 0, 0, 1},
                  {2, 0, 0, 0, 0, 1, 1, 2},
                  {0, 2, 0, 0, 1, 0, 2, 1},
                  {0, 0, 1, 0, 1, 2, 0, 2},
                  {0, 0, 0, 1, 2, 1, 2, 0}},
                 25);
}

/// NVLinks of the DGX-1 with P100s, 20 GB/s each.
inline blink::topology dgx1p() {
    std::vector<std::vector<int>> wires(8, std::vector<int>(8, 0));
    for (std::size_t u = 0; u < 8; ++u) {
        for (std::size_t v = 0; v < 8; ++v) { wires[u][v] = u != v && (u / 4 == v / 4 || u % 4 == v % 4) ? 1 : 0; }
    }
    return wired("dgx1p", 8, wires, 20);
}

} // namespace made
