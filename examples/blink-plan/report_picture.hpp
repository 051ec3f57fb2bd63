// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The plan's trees on the picture of the machine.
#pragma once

#include <blink/core/text.hpp>
#include <blink/topology/write_dot.hpp>
#include <blink/topology/write_svg.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "report.hpp"

namespace blink_plan {

[[nodiscard]] inline std::vector<blink::drawn_tree> drawn_trees(const blink::plan& p) {
    std::vector<blink::drawn_tree> drawn;
    for (const blink::packed_tree& t : p.packing.trees) {
        blink::drawn_tree d{"tree " + std::to_string(drawn.size() + 1), t.GBps, given(p, t.root), {}};
        for (const blink::tree_edge& e : t.edges) {
            int at = given(p, e.parent);
            std::vector<int> way = relays_towards_child(p, e);
            way.push_back(given(p, e.child));
            for (const int next : way) { d.edges.emplace_back(std::exchange(at, next), next); }
        }
        drawn.push_back(std::move(d));
    }
    return drawn;
}

[[nodiscard]] inline std::string to_dot(const report& r) {
    return blink::write_dot(r.plan.machine, drawn_trees(r.plan));
}

/// `allreduce among GPUs 0-7: 82.14 GB/s, bound 85.71`.
[[nodiscard]] inline std::string picture_caption(const blink::plan& p) {
    const blink::packing& k = p.packing;
    std::string text(blink::to_string(k.kind));
    if (blink::is_rooted(k.kind)) {
        text += (k.kind == blink::collective::broadcast ? " from GPU " : " to GPU ") + std::to_string(given(p, k.root));
    }
    text += " among GPUs " + blink::format_ranks(p.gpus);
    if (p.gpus.size() < 2) { return text; }
    const auto rate = [](double GBps) { return blink::format_fixed(GBps, 2); };
    return text + ": " + rate(k.GBps) + " GB/s, " +
           (k.GBps > k.bound.GBps * (1 - 1e-9) ? "the bound" : "bound " + rate(k.bound.GBps));
}

[[nodiscard]] inline std::string to_svg(const report& r) {
    const bool pcie_only =
        std::ranges::all_of(r.plan.fabric.links, [](const blink::link& l) { return l.kind == blink::link_kind::pcie; });
    return blink::write_svg(r.plan.machine, drawn_trees(r.plan),
                            pcie_only ? blink::link_choice::pcie : blink::link_choice::automatic,
                            picture_caption(r.plan));
}

} // namespace blink_plan
