// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a lost link changes: the plan before, which of its trees stay, and the plan after.
#pragma once

#include <blink/core/json.hpp>
#include <blink/core/text.hpp>
#include <blink/plan_json.hpp>
#include <blink/repair.hpp>

#include <string>
#include <utility>
#include <vector>

#include "options.hpp"
#include "report.hpp"
#include "report_text.hpp"

namespace blink_plan {

struct repair_report {
    blink::plan before;
    std::vector<lost_wires> lost;
    blink::plan_repair repair;
};

/// `0-3 (1 wire), 2-6 (all)`.
[[nodiscard]] inline std::string lost_in_words(const std::vector<lost_wires>& lost) {
    std::string words;
    for (const lost_wires& l : lost) {
        words += (words.empty() ? "" : ", ") + std::to_string(l.a) + "-" + std::to_string(l.b) + " (" +
                 (l.count == 0 ? "all wires" : counted(static_cast<std::size_t>(l.count), "wire")) + ")";
    }
    return words;
}

[[nodiscard]] inline std::string to_text(const repair_report& r) {
    const blink::plan& after = r.repair.after;
    const blink::packing& now = after.packing;
    std::string text = to_text(report{r.before, 0, {}}) + "\nwithout " + lost_in_words(r.lost) + ": " +
                       std::to_string(r.repair.kept.size()) + " of " + counted(r.before.packing.trees.size(), "tree") +
                       " kept, " + std::to_string(r.repair.dropped.size()) + " dropped, " +
                       std::to_string(r.repair.made.size()) + " new" + (r.repair.anew ? ", all planned anew" : "") +
                       "\n\n";
    const auto line = [&](const char* what, double GBps, const std::string& words) {
        text += "  " + left(what, 10) + right(blink::format_fixed(GBps, 2) + " GB/s", 12) + "   " + words + "\n";
    };
    line("rate", now.GBps,
         "before " + blink::format_fixed(r.before.packing.GBps, 2) + " GB/s; " +
             blink::format_fixed(100 * now.GBps / now.bound.GBps, 1) + " % of the bound");
    line("bound", now.bound.GBps,
         "before " + blink::format_fixed(r.before.packing.bound.GBps, 2) + " GB/s; " + bottleneck_in_words(after));
    text += "  " + left("planned in", 10) + right(blink::format_seconds(after.seconds), 12) + "\n";

    text += "\n           tree  root     GB/s  depth  from the root\n";
    const auto row = [&](const char* fate, int number, const blink::plan& p) {
        const blink::packed_tree& t = p.packing.trees[static_cast<std::size_t>(number)];
        text += "  " + left(fate, 9) + tree_as_row(p, t, static_cast<std::size_t>(number) + 1);
    };
    for (const auto& [was, is] : r.repair.kept) { row("kept", is, after); }
    for (const int t : r.repair.made) { row("new", t, after); }
    for (const int t : r.repair.dropped) { row("dropped", t, r.before); }
    return text;
}

[[nodiscard]] inline blink::json::value to_json(const repair_report& r) {
    blink::json::array lost;
    for (const lost_wires& l : r.lost) {
        blink::json::object o{{"a", l.a}, {"b", l.b}};
        o.emplace_back("count", l.count == 0 ? blink::json::value() : blink::json::value(l.count));
        lost.emplace_back(std::move(o));
    }
    blink::json::array kept;
    for (const auto& [was, is] : r.repair.kept) { kept.emplace_back(blink::json::array{was, is}); }
    return blink::json::object{{"without", std::move(lost)},
                               {"before", blink::plan_report(r.before)},
                               {"after", blink::plan_report(r.repair.after)},
                               {"kept", std::move(kept)},
                               {"dropped", blink::json::value::list(r.repair.dropped)},
                               {"new", blink::json::value::list(r.repair.made)},
                               {"anew", r.repair.anew}};
}

} // namespace blink_plan
