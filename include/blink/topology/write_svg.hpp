// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Draws a machine, and trees over it, as a self-contained SVG on a card of its own, which reads on any page.
#pragma once

#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/svg/canvas.hpp>
#include <blink/topology/svg/draw.hpp>
#include <blink/topology/svg/layout.hpp>
#include <blink/topology/svg/legend.hpp>
#include <blink/topology/svg/panels.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blink {
namespace detail::svg {

/// Title and, below it, what the trees are for; the height of both.
inline double draw_head(canvas& c, std::string_view title, std::string_view caption) {
    c.text({margin / 2, 27}, title, 16, dark, "start", true);
    if (!caption.empty()) { c.text({margin / 2, 46}, caption, 13, ink, "start"); }
    return caption.empty() ? 34 : 52;
}

/// All trees over one another, and a legend.
template <capacity_graph G>
std::string one_picture(const G& g, std::span<const drawn_tree> trees, const layout& l, std::string_view title,
                        std::string_view caption) {
    canvas c;
    const double head = draw_head(c, title, caption);
    const auto entries = legend_of(l, trees);
    const double column = legend_column(entries);
    const double width =
        std::max({l.width, column + margin, text_width(title, 17) + margin, text_width(caption, 13) + margin});
    const int columns = std::max(1, static_cast<int>((width - margin / 2) / column));
    const auto rows = (static_cast<int>(entries.size()) + columns - 1) / columns;
    layout moved = l;
    for (auto& place : moved.at) {
        if (place) { *place = *place + point{(width - l.width) / 2, head}; }
    }
    const std::vector<bool> part = taking_part(g.gpu_count(), g.vertex_count(), trees);
    draw_links(c, moved, !trees.empty(), part);
    draw_trees(c, moved, trees);
    draw_vertices(c, moved, g, part, false);
    const double bottom = head + l.height + room_below(l, trees);
    draw_legend(c, entries, columns, bottom + 8);
    return c.document(width, bottom + 8 + rows * legend_row, title);
}

/// The first trees, a panel each, and how many more there are.
template <capacity_graph G>
std::string many_pictures(const G& g, std::span<const drawn_tree> trees, const layout& l, std::string_view title,
                          std::string_view caption) {
    canvas c;
    const double head = draw_head(c, title, caption);
    const auto shown = trees.first(std::min(trees.size(), most_panels));
    const panel_grid grid(l, shown);
    draw_panels(c, l, g, shown, grid, head);
    const double bottom = head + grid.rows * grid.height;
    const std::string rest = words_for_rest(trees.subspan(shown.size()));
    if (!rest.empty()) { c.text({margin / 2, bottom + 14}, rest, 13, ink, "start"); }
    const double width = std::max({grid.columns * grid.width, text_width(title, 17), text_width(caption, 13)}) + margin;
    return c.document(width, bottom + (rest.empty() ? 0 : 28), title);
}

} // namespace detail::svg

/// The picture of a machine, with trees over it where there are any.
/// @param trees each in its colour, its width by rate, with a line in the legend; many trees, or several that cross
///        switches, get a small picture each, and only the first few are drawn. GPUs that no tree reaches are paler.
/// @param shown `pcie` shows the PCIe tree; otherwise NVLinks and network are shown, or PCIe where there are none
/// @param caption a line below the title
/// @throw usage_error for a tree that names a GPU which the machine does not have
template <capacity_graph G>
[[nodiscard]] std::string write_svg(const G& g, std::span<const drawn_tree> trees = {},
                                    link_choice shown = link_choice::automatic, std::string_view caption = {}) {
    namespace svg = detail::svg;
    detail::check_trees(g, trees);
    const svg::layout l = svg::make_layout(g, shown);
    const std::string title = std::string(g.name()) + ", " + std::to_string(g.gpu_count()) + " GPUs";
    return svg::needs_panels(l, g.gpu_count(), trees) ? svg::many_pictures(g, trees, l, title, caption)
                                                      : svg::one_picture(g, trees, l, title, caption);
}

} // namespace blink
