// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Draws a machine, and trees over it, as a self-contained SVG that reads on white and on dark pages.
#pragma once

#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/svg/canvas.hpp>
#include <blink/topology/svg/layout.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {
namespace detail::svg {

/// How wide a line of this rate is, in a picture whose fastest is `most`.
[[nodiscard]] inline double stroke_width(double GBps, double most, double widest) noexcept {
    return std::max(1.2, widest * std::clamp(GBps / most, 0.0, 1.0));
}

[[nodiscard]] inline std::string_view switch_label(vertex_kind k) noexcept {
    switch (k) {
    case vertex_kind::nvswitch:
        return "NVSwitch";
    case vertex_kind::pcie_switch:
        return "PCIe switch";
    case vertex_kind::host:
        return "host";
    case vertex_kind::network_switch:
        return "network";
    default:
        return "GPU";
    }
}

/// Links in grey; a double link as two lines.
inline void draw_links(canvas& c, const layout& l, bool faint) {
    double most = 0;
    for (const link& wire : l.links) { most = std::max(most, wire.GBps / (wire.lanes <= 2 ? wire.lanes : 1)); }
    for (const link& wire : l.links) {
        const auto& a = l.at[static_cast<std::size_t>(wire.from)];
        const auto& b = l.at[static_cast<std::size_t>(wire.to)];
        if (!a || !b || *a == *b) { continue; }
        const point way = *b - *a;
        const point side = point{-way.y, way.x} * (1 / length(way));
        const int lines = wire.lanes == 2 ? 2 : 1;
        const double width = stroke_width(wire.GBps / lines, most, 3);
        for (int i = 0; i < lines; ++i) {
            const point shift = side * (lines == 2 ? 6.0 * i - 3 : 0);
            c.line(*a + shift, *b + shift, width, ink, faint ? 0.4 : 1);
        }
    }
}

/// Trees as arrows from parents to children. Arrows between the same two GPUs lie side by side; where data cross
/// switches they pass around them.
inline void draw_trees(canvas& c, const layout& l, std::span<const drawn_tree> trees) {
    double most = 0;
    std::map<std::pair<int, int>, int> total;
    for (const drawn_tree& t : trees) {
        most = std::max(most, t.GBps);
        for (const auto& [a, b] : t.edges) { ++total[std::minmax(a, b)]; }
    }
    std::map<std::pair<int, int>, int> drawn;
    std::map<std::pair<int, int>, int> same_way;
    for (std::size_t i = 0; i < trees.size(); ++i) {
        const double width = stroke_width(trees[i].GBps, most, 4);
        for (const auto& [parent, child] : trees[i].edges) {
            const std::pair<int, int> pair = std::minmax(parent, child);
            const point from = *l.at[static_cast<std::size_t>(parent)];
            const point to = *l.at[static_cast<std::size_t>(child)];
            if (parent == child) { continue; }
            const bool direct = std::ranges::any_of(l.links, [&](const link& wire) {
                return std::pair<int, int>(std::minmax(wire.from, wire.to)) == pair;
            });
            const int many = total[pair];
            const double lane = drawn[pair]++ - (many - 1) / 2.0;
            const double spacing = std::min(8.0, 2 * (gpu_radius - 6) / std::max(1, many - 1));
            const double sign = parent < child ? 1 : -1; // sides as seen from the lower GPU
            if (direct) {
                c.arrow(from, to, 0, sign * lane * spacing, width, tree_colour(i));
            } else if (l.kind == style::layers) {
                const double below = from.x < to.x ? 1 : -1;
                const double deep = 14 + 0.16 * length(to - from) + 9 * (lane + (many - 1) / 2.0);
                c.arrow(from, to, below * deep, 0, width, tree_colour(i));
            } else {
                // To the right of the way, so that the two directions pass on either side of a switch.
                const int ahead = same_way[{parent, child}]++;
                c.arrow(from, to, 0.13 * length(to - from) + 9 * ahead, 0, width, tree_colour(i));
            }
        }
    }
}

/// How far below the lowest GPU the arrows of a layered picture reach.
[[nodiscard]] inline double room_below(const layout& l, std::span<const drawn_tree> trees) {
    double deepest = 0;
    if (l.kind != style::layers) { return 0; }
    for (const drawn_tree& t : trees) {
        for (const auto& [a, b] : t.edges) {
            const double way = length(*l.at[static_cast<std::size_t>(a)] - *l.at[static_cast<std::size_t>(b)]);
            deepest = std::max(deepest, 14 + 0.16 * way + 9.0 * static_cast<double>(trees.size()));
        }
    }
    return std::max(0.0, deepest - gpu_radius);
}

template <capacity_graph G>
void draw_vertices(canvas& c, const layout& l, const G& g) {
    for (int v = 0; v < g.vertex_count(); ++v) {
        const auto& place = l.at[static_cast<std::size_t>(v)];
        if (!place) { continue; }
        if (v >= g.gpu_count()) {
            c.box(*place, switch_label(g.kind_of(v)));
            continue;
        }
        c.disc(*place, gpu_radius, plate, ink);
        c.text(*place + point{0, -4}, "GPU", 8, "#c5ced9", "middle");
        c.text(*place + point{0, 11}, std::to_string(v), 15, "#ffffff", "middle", true);
    }
}

struct legend_entry {
    std::string words;
    std::string_view colour;
    double width;
    bool twofold = false;
};

/// A line for each tree, or for each sort of link where there are no trees.
[[nodiscard]] inline std::vector<legend_entry> legend_of(const layout& l, std::span<const drawn_tree> trees) {
    std::vector<legend_entry> entries;
    double most = 0;
    for (const drawn_tree& t : trees) { most = std::max(most, t.GBps); }
    for (std::size_t i = 0; i < trees.size(); ++i) {
        const std::string root = ", root GPU " + std::to_string(trees[i].root);
        entries.push_back({trees[i].label + ": " + number(trees[i].GBps) + " GB/s" + root, tree_colour(i),
                           stroke_width(trees[i].GBps, most, 4)});
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
        entries.push_back({words, ink, stroke_width(wire.GBps / lines, most, 3), lines == 2});
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

} // namespace detail::svg

/// The picture of a machine, with trees over it where there are any.
/// @param trees each in its colour, its width by rate, with a line in the legend
/// @param shown `pcie` shows the PCIe tree; otherwise NVLinks and network are shown, or PCIe where there are none
/// @throw usage_error for a tree that names a GPU which the machine does not have
template <capacity_graph G>
[[nodiscard]] std::string write_svg(const G& g, std::span<const drawn_tree> trees = {},
                                    link_choice shown = link_choice::automatic) {
    namespace svg = detail::svg;
    detail::check_trees(g, trees);
    const svg::layout l = svg::make_layout(g, shown);
    const auto entries = svg::legend_of(l, trees);
    const std::string title = std::string(g.name()) + ", " + std::to_string(g.gpu_count()) + " GPUs";
    const double column = svg::legend_column(entries);
    const double width = std::max({l.width, column + 2 * svg::margin, svg::text_width(title, 16) + 2 * svg::margin});
    const int columns = std::max(1, static_cast<int>((width - svg::margin) / column));
    const auto rows = (static_cast<int>(entries.size()) + columns - 1) / columns;
    constexpr double head = 30;
    svg::layout moved = l;
    for (auto& place : moved.at) {
        if (place) { *place = *place + svg::point{(width - l.width) / 2, head}; }
    }
    const double bottom = head + l.height + svg::room_below(l, trees);
    svg::canvas c;
    c.text({svg::margin, 28}, title, 16, svg::ink, "start", true);
    svg::draw_links(c, moved, !trees.empty());
    svg::draw_trees(c, moved, trees);
    svg::draw_vertices(c, moved, g);
    svg::draw_legend(c, entries, columns, bottom + 14);
    return c.document(width, bottom + 14 + rows * svg::legend_row, title);
}

} // namespace blink
