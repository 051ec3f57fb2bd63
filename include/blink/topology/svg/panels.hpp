// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Small multiples: a picture of the machine for each of the first trees, where all in one would hide each other.
#pragma once

#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/svg/canvas.hpp>
#include <blink/topology/svg/draw.hpp>
#include <blink/topology/svg/layout.hpp>
#include <blink/topology/svg/legend.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink::detail::svg {

inline constexpr std::size_t most_panels = 6;

/// Trees that cross switches pass over anything, so two of them are hard to tell apart; trees on direct links lie side
/// by side, as long as there is room.
[[nodiscard]] inline bool needs_panels(const layout& l, int gpus, std::span<const drawn_tree> trees) {
    const bool switched = std::ranges::any_of(l.links, [&](const link& w) { return w.from >= gpus || w.to >= gpus; });
    const std::size_t room = switched && gpus > 2 ? 1 : gpus > 8 ? 3 : 8;
    return trees.size() > room;
}

/// What is not drawn.
[[nodiscard]] inline std::string words_for_rest(std::span<const drawn_tree> rest) {
    if (rest.empty()) { return {}; }
    const auto by_rate = [](const drawn_tree& a, const drawn_tree& b) { return a.GBps < b.GBps; };
    const auto [least, most] = std::ranges::minmax_element(rest, by_rate);
    const std::string from = number(least->GBps);
    const std::string to = number(most->GBps);
    return "and " + std::to_string(rest.size()) + (rest.size() == 1 ? " more tree" : " more trees") + " of " +
           (from == to ? from : from + " to " + to) + " GB/s";
}

/// How the panels lie: in two columns where the machine is wide, else in three.
struct panel_grid {
    int columns = 1;
    int rows = 1;
    double scale = 1;
    double width = 0;  ///< of a panel
    double height = 0; ///< likewise, with its line of words

    panel_grid(const layout& l, std::span<const drawn_tree> shown) {
        const bool wide = l.width > 560;
        const int count = static_cast<int>(shown.size());
        columns = std::min(wide ? 2 : 3, count);
        rows = (count + columns - 1) / columns;
        width = wide ? 410 : 280;
        scale = width / l.width;
        double below = 0;
        for (const drawn_tree& t : shown) { below = std::max(below, room_below(l, {&t, 1})); }
        height = (l.height + below) * scale + 34;
    }
};

/// Draws the panels from `top` on, each with a ring around its root and its words below.
template <capacity_graph G>
void draw_panels(canvas& c, const layout& l, const G& g, std::span<const drawn_tree> shown, const panel_grid& grid,
                 double top) {
    const std::vector<bool> part = taking_part(g.gpu_count(), g.vertex_count(), shown);
    c.define("wires", [&] { draw_links(c, l, true, part); });
    c.define("vertices", [&] { draw_vertices(c, l, g, part, true); });
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const point corner{margin / 2 + static_cast<double>(i % static_cast<std::size_t>(grid.columns)) * grid.width,
                           top + static_cast<double>(i / static_cast<std::size_t>(grid.columns)) * grid.height};
        c.begin_group(corner, grid.scale);
        c.use("wires");
        draw_trees(c, l, shown.subspan(i, 1), i);
        c.use("vertices");
        c.halo(*l.at[static_cast<std::size_t>(shown[i].root)], gpu_radius + 3, tree_colour(i));
        c.end_group();
        const std::string words = words_for(shown[i]);
        const double start = corner.x + std::max(0.0, (grid.width - legend_sample - 10 - text_width(words, 12)) / 2);
        const double line = corner.y + grid.height - 20;
        c.line({start, line}, {start + legend_sample, line}, 4, tree_colour(i));
        c.text({start + legend_sample + 10, line + 4.5}, words, 12, ink, "start");
    }
}

} // namespace blink::detail::svg
