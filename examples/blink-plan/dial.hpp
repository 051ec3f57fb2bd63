// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The dial between rate and simplicity: what its settings give, side by side, so that the knee can be seen.
#pragma once

#include <blink/core/json.hpp>
#include <blink/core/text.hpp>
#include <blink/plan.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report_text.hpp"

namespace blink_plan {

/// One setting and what the planner makes of it.
struct dial_row {
    std::string setting; ///< as the user would write it
    blink::pack_options pack;
    double GBps = 0;
    std::size_t trees = 0;
    int depth = 0; ///< of the deepest tree, in hops
    bool by_default = false;
};

struct dial_report {
    blink::plan plan; ///< of the default setting
    std::vector<dial_row> rows;
};

[[nodiscard]] inline dial_row dial_row_of(std::string setting, const blink::pack_options& pack,
                                          const blink::packing& made) {
    int deepest = 0;
    for (const blink::packed_tree& t : made.trees) { deepest = std::max(deepest, depth(t, made.ranks)); }
    return {std::move(setting), pack, made.GBps, made.trees.size(), deepest, false};
}

/// Turns the dial from few trees to the full rate. A rooted collective keeps the root of the default setting.
/// @throw what `make_plan` throws
[[nodiscard]] inline dial_report turn_dial(const blink::topology& machine, std::span<const int> gpus,
                                           blink::collective kind, int root, const blink::plan_options& planning) {
    dial_report r{blink::make_plan(machine, gpus, kind, root, planning), {}};
    const int same_root = blink::is_rooted(kind) ? r.plan.packing.root : root;
    const auto offer = [&](std::string setting, const blink::pack_options& pack) {
        blink::plan_options turned = planning;
        turned.pack = pack;
        const blink::plan made = blink::make_plan(machine, gpus, kind, same_root, turned);
        r.rows.push_back(dial_row_of(std::move(setting), pack, made.packing));
    };
    const blink::pack_options usual = planning.pack;
    // Where each rank has a shard of its own, fewer trees than ranks are no setting.
    const std::size_t fewest = blink::is_sharded(kind) ? gpus.size() : 1;
    for (std::size_t most = fewest; most < r.plan.packing.trees.size(); most *= 2) {
        blink::pack_options pack = usual;
        pack.max_trees = static_cast<int>(most);
        offer("--max-trees " + std::to_string(most), pack);
    }
    for (const double slack : {0.2, 0.1, 0.05, 0.01, 0.0}) {
        blink::pack_options pack = usual;
        pack.slack = slack;
        offer("--slack " + blink::format_fixed(slack, 2), pack);
        r.rows.back().by_default = slack == usual.slack;
    }
    return r;
}

[[nodiscard]] inline std::string to_text(const dial_report& r) {
    const blink::packing& k = r.plan.packing;
    std::string text = headline(r.plan);
    if (r.plan.gpus.size() < 2) { return text + "\n"; }
    text += "\n\n  bound  " + blink::format_fixed(k.bound.GBps, 2) + " GB/s   " + bottleneck_in_words(r.plan) + "\n";
    text += "\n  setting             GB/s  of bound  trees  depth\n";
    for (const dial_row& row : r.rows) {
        text += "  " + left(row.setting, 15) + right(blink::format_fixed(row.GBps, 2), 9) +
                right(blink::format_fixed(100 * row.GBps / k.bound.GBps, 1) + " %", 10) +
                right(std::to_string(row.trees), 7) + right(std::to_string(row.depth), 7) +
                (row.by_default ? "  <- the default\n" : "\n");
    }
    return text;
}

/// `topology`, `ranks`, `collective`, `root`, `bound_GBps`, and a row a setting under `dial`.
[[nodiscard]] inline blink::json::value to_json(const dial_report& r) {
    const blink::packing& k = r.plan.packing;
    blink::json::array ranks;
    for (const int gpu : r.plan.gpus) { ranks.emplace_back(gpu); }
    blink::json::array rows;
    for (const dial_row& row : r.rows) {
        rows.emplace_back(blink::json::object{{"slack", row.pack.slack},
                                              {"max_trees", row.pack.max_trees},
                                              {"rate_GBps", row.GBps},
                                              {"trees", row.trees},
                                              {"depth", row.depth},
                                              {"default", row.by_default}});
    }
    return blink::json::object{
        {"topology", r.plan.machine.name()},
        {"ranks", std::move(ranks)},
        {"collective", std::string(blink::to_string(k.kind))},
        {"root", blink::is_rooted(k.kind) ? blink::json::value(given(r.plan, k.root)) : blink::json::value()},
        {"bound_GBps", k.bound.GBps},
        {"dial", std::move(rows)}};
}

} // namespace blink_plan
