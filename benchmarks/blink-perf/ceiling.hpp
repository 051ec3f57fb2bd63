// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the wires of a machine allow.
#pragma once

#include <blink/topology/topology.hpp>

#include <algorithm>
#include <span>

namespace blink_perf {

/// The bus bandwidth that NVLink allows a collective among `gpus`: what leaves the GPU that has the least of it, to the
/// others and to switches. 0 where one of them has no such link.
[[nodiscard]] inline double nvlink_ceiling_GBps(const blink::topology& machine, std::span<const int> gpus) {
    double least = -1;
    for (const int gpu : gpus) {
        double leaves = 0;
        for (const blink::link& l : machine.links()) {
            const bool useful = l.to >= machine.gpu_count() || std::ranges::find(gpus, l.to) != gpus.end();
            if (l.from == gpu && l.kind == blink::link_kind::nvlink && useful) { leaves += l.GBps; }
        }
        least = least < 0 ? leaves : std::min(least, leaves);
    }
    return std::max(least, 0.0);
}

} // namespace blink_perf
