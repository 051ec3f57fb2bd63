// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the colours and widths of a picture mean.
#pragma once

#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/svg/canvas.hpp>
#include <blink/topology/svg/draw.hpp>
#include <blink/topology/svg/layout.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blink::detail::svg {

struct legend_entry {
    std::string words;
    std::string_view colour;
    double width;
    bool twofold = false;
};

[[nodiscard]] inline std::string words_for(const drawn_tree& t) {
    return t.label + ": " + number(t.GBps) + " GB/s, root GPU " + std::to_string(t.root);
}

/// A line for each tree, or for each sort of link where there are no trees.
[[nodiscard]] inline std::vector<legend_entry> legend_of(const layout& l, std::span<const drawn_tree> trees) {
    std::vector<legend_entry> entries;
    double most = 0;
    for (const drawn_tree& t : trees) { most = std::max(most, t.GBps); }
    for (std::size_t i = 0; i < trees.size(); ++i) {
        entries.push_back({words_for(trees[i]), tree_colour(i), stroke_width(trees[i].GBps, most, 4)});
    }
    if (!entries.empty()) { return entries; }
    for (const link& wire : l.links) { most = std::max(most, wire.GBps / (wire.lanes <= 2 ? wire.lanes : 1)); }
    for (const link& wire : l.links) {
        const std::string bundle = wire.lanes > 1 ? std::to_string(wire.lanes) + " x " : "";
        const std::string words =
            std::string(to_string(wire.kind)) + " " + bundle + number(wire.GBps / wire.lanes) + " GB/s each way";
        const auto same = [&](const legend_entry& e) { return e.words == words; };
        if (std::ranges::any_of(entries, same)) { continue; }
        const int lines = wire.lanes == 2 ? 2 : 1;
        entries.push_back({words, wires, stroke_width(wire.GBps / lines, most, 3), lines == 2});
    }
    return entries;
}

inline constexpr double legend_row = 22;
inline constexpr double legend_sample = 30;

/// Width of a column of the legend.
[[nodiscard]] inline double legend_column(const std::vector<legend_entry>& entries) {
    double widest = 0;
    for (const legend_entry& e : entries) { widest = std::max(widest, text_width(e.words, 13)); }
    return legend_sample + 10 + widest + 18;
}

inline void draw_legend(canvas& c, const std::vector<legend_entry>& entries, int columns, double top) {
    const double column = legend_column(entries);
    const auto rows = (static_cast<int>(entries.size()) + columns - 1) / columns;
    for (int i = 0; i < static_cast<int>(entries.size()); ++i) {
        const legend_entry& e = entries[static_cast<std::size_t>(i)];
        const point p{margin + (i / rows) * column, top + (i % rows) * legend_row};
        for (const double shift : {-3.0, 3.0}) {
            if (e.twofold) { c.line(p + point{0, shift}, p + point{legend_sample, shift}, e.width, e.colour); }
        }
        if (!e.twofold) { c.line(p, p + point{legend_sample, 0}, e.width, e.colour); }
        c.text(p + point{legend_sample + 10, 4.5}, e.words, 13, ink, "start");
    }
}

} // namespace blink::detail::svg
