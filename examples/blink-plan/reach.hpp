// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs reach each other, in the numbers that the user gave, for the message that says why there is no plan.
#pragma once

#include <blink/core/text.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <span>
#include <string>
#include <vector>

namespace blink_plan {

/// Groups of `gpus` that reach each other both ways over links of the kinds that `choice` allows, through switches,
/// relays and each other, but not through other GPUs that take no part. `automatic` counts as `all` here.
[[nodiscard]] inline std::vector<std::vector<int>> reach_groups(const blink::topology& machine,
                                                                std::span<const int> gpus, std::span<const int> relays,
                                                                blink::link_choice choice) {
    const blink::topology g = blink::induced(machine, gpus, relays);
    const auto n = static_cast<std::size_t>(g.vertex_count());
    std::vector<std::vector<bool>> reach(n, std::vector<bool>(n, false));
    for (std::size_t v = 0; v < n; ++v) { reach[v][v] = true; }
    for (const blink::link& l : g.links()) {
        const bool slow = l.kind == blink::link_kind::pcie;
        const bool refused = slow ? choice == blink::link_choice::nvlink : choice == blink::link_choice::pcie;
        if (!refused) { reach[static_cast<std::size_t>(l.from)][static_cast<std::size_t>(l.to)] = true; }
    }
    for (std::size_t via = 0; via < n; ++via) {
        for (std::size_t a = 0; a < n; ++a) {
            for (std::size_t b = 0; reach[a][via] && b < n; ++b) {
                if (reach[via][b]) { reach[a][b] = true; }
            }
        }
    }
    std::vector<std::vector<int>> groups;
    std::vector<bool> placed(gpus.size(), false);
    for (std::size_t a = 0; a < gpus.size(); ++a) {
        if (placed[a]) { continue; }
        groups.emplace_back();
        for (std::size_t b = a; b < gpus.size(); ++b) {
            if (!reach[a][b] || !reach[b][a] || placed[b]) { continue; }
            placed[b] = true;
            groups.back().push_back(gpus[b]);
        }
    }
    return groups;
}

/// The message for GPUs that no allowed link joins; empty where they are joined, so that the reason is another one.
[[nodiscard]] inline std::string no_path_in_words(const blink::topology& machine, std::span<const int> gpus,
                                                  std::span<const int> relays, blink::link_choice choice) {
    const auto groups = reach_groups(machine, gpus, relays, choice);
    std::string list;
    for (const auto& group : groups) { list += " {" + blink::format_ranks(group) + "}"; }
    if (groups.size() > 1) {
        const char* wires = choice == blink::link_choice::nvlink ? "over NVLink and network"
                            : choice == blink::link_choice::pcie ? "over PCIe"
                                                                 : "over any link";
        return machine.name() + ": GPUs of different groups cannot reach each other " + wires + ":" + list;
    }
    if (choice != blink::link_choice::automatic) { return {}; }
    const auto fast = reach_groups(machine, gpus, relays, blink::link_choice::nvlink);
    list.clear();
    for (const auto& group : fast) { list += " {" + blink::format_ranks(group) + "}"; }
    return machine.name() +
           ": neither NVLink and network alone nor PCIe alone joins all GPUs (NVLink and network join" + list +
           "); --links all uses both as one graph";
}

} // namespace blink_plan
