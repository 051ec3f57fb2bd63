// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The parts of a picture: links, trees over them, and the vertices on top.
#pragma once

#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/svg/canvas.hpp>
#include <blink/topology/svg/layout.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink::detail::svg {

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

/// Links in grey, a double link as two lines; the paler, the less they have to do with what is shown.
inline void draw_links(canvas& c, const layout& l, bool behind_trees, const std::vector<bool>& taking_part) {
    double most = 0;
    for (const link& wire : l.links) { most = std::max(most, wire.GBps / (wire.lanes <= 2 ? wire.lanes : 1)); }
    for (const link& wire : l.links) {
        const auto& a = l.at[static_cast<std::size_t>(wire.from)];
        const auto& b = l.at[static_cast<std::size_t>(wire.to)];
        if (!a || !b || *a == *b) { continue; }
        const point way = *b - *a;
        const point side = point{-way.y, way.x} * (1 / length(way));
        const bool idle =
            !taking_part[static_cast<std::size_t>(wire.from)] || !taking_part[static_cast<std::size_t>(wire.to)];
        const int lines = wire.lanes == 2 ? 2 : 1;
        const double width = stroke_width(wire.GBps / lines, most, 3);
        for (int i = 0; i < lines; ++i) {
            const point shift = side * (lines == 2 ? 6.0 * i - 3 : 0);
            c.line(*a + shift, *b + shift, width, idle ? pale : wires, behind_trees && !idle ? 0.6 : 1);
        }
    }
}

/// How far a hop over switches leaves the straight line, to the right of the way where positive: towards the switch, so
/// that it passes no GPU between. Where the switch lies on the line it passes on the right, so that the two directions
/// are apart; hops over a network are straight.
[[nodiscard]] inline double bulge_of_hop(const layout& l, int parent, int child) {
    const point from = *l.at[static_cast<std::size_t>(parent)];
    const point to = *l.at[static_cast<std::size_t>(child)];
    const point way = to - from;
    const double far = length(way);
    const auto joined = [&](int u, int v) {
        return std::ranges::find_if(l.links, [&](const link& w) {
            return std::pair<int, int>(std::minmax(w.from, w.to)) == std::pair<int, int>(std::minmax(u, v));
        });
    };
    for (int hub = 0; hub < static_cast<int>(l.at.size()); ++hub) {
        const auto wire = joined(parent, hub);
        if (wire == l.links.end() || joined(child, hub) == l.links.end()) { continue; }
        if (wire->kind == link_kind::network) { return 0; }
        const point aside = *l.at[static_cast<std::size_t>(hub)] - (from + to) * 0.5;
        const double right = (way.x * aside.y - way.y * aside.x) / far;
        if (std::abs(right) < 8) { return l.at.size() > 4 ? 14 : 0.13 * far; }
        return std::copysign(std::min(0.6 * std::abs(right), 10 + 0.17 * far), right);
    }
    return 0.13 * far;
}

/// How far a direct hop has to leave the straight line, to the right of the way where positive, so that it passes no
/// other vertex closely.
[[nodiscard]] inline double bulge_around(const layout& l, int parent, int child) {
    const point from = *l.at[static_cast<std::size_t>(parent)];
    const point way = *l.at[static_cast<std::size_t>(child)] - from;
    const double far = length(way);
    constexpr double clear = gpu_radius + 9;
    for (std::size_t v = 0; v < l.at.size(); ++v) {
        if (!l.at[v] || static_cast<int>(v) == parent || static_cast<int>(v) == child) { continue; }
        const point there = *l.at[v] - from;
        const double along = (there.x * way.x + there.y * way.y) / far;
        const double right = (way.x * there.y - way.y * there.x) / far;
        if (along < 0 || along > far || std::abs(right) >= clear) { continue; }
        return std::copysign(1.25 * (clear - std::abs(right)), -right);
    }
    return 0;
}

/// Trees as arrows from parents to children. Arrows between the same two GPUs lie side by side; where data cross
/// switches they pass around them.
inline void draw_trees(canvas& c, const layout& l, std::span<const drawn_tree> trees, std::size_t first_colour = 0) {
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
                c.arrow(from, to, bulge_around(l, parent, child), sign * lane * spacing, width,
                        tree_colour(first_colour + i));
            } else if (l.kind == style::layers) {
                const double below = from.x < to.x ? 1 : -1;
                const double deep = 14 + 0.16 * length(to - from) + 9 * (lane + (many - 1) / 2.0);
                c.arrow(from, to, below * deep, 0, width, tree_colour(first_colour + i));
            } else {
                const int again = same_way[{parent, child}]++;
                c.arrow(from, to, bulge_of_hop(l, parent, child) + 9 * again, 0, width, tree_colour(first_colour + i));
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

/// GPUs that some tree reaches; all where there is no tree, and all switches.
[[nodiscard]] inline std::vector<bool> taking_part(int gpus, int vertices, std::span<const drawn_tree> trees) {
    std::vector<bool> part(static_cast<std::size_t>(vertices), trees.empty());
    std::fill(part.begin() + gpus, part.end(), true);
    for (const drawn_tree& t : trees) {
        part[static_cast<std::size_t>(t.root)] = true;
        for (const auto& [parent, child] : t.edges) {
            part[static_cast<std::size_t>(parent)] = true;
            part[static_cast<std::size_t>(child)] = true;
        }
    }
    return part;
}

/// GPUs as discs, white ones where they take no part; switches as boxes. In a small picture numbers are all that a disc
/// has room for.
template <capacity_graph G>
void draw_vertices(canvas& c, const layout& l, const G& g, const std::vector<bool>& part, bool small) {
    for (int v = 0; v < g.vertex_count(); ++v) {
        const auto& place = l.at[static_cast<std::size_t>(v)];
        if (!place) { continue; }
        if (v >= g.gpu_count()) {
            c.box(*place, switch_label(g.kind_of(v)), small ? 13 : 11);
            continue;
        }
        const bool idle = !part[static_cast<std::size_t>(v)];
        c.disc(*place, gpu_radius, idle ? paper : plate, idle ? pale : plate);
        const std::string_view colour = idle ? wires : paper;
        if (!small) { c.text(*place + point{0, -4}, "GPU", 8, colour, "middle"); }
        c.text(*place + point{0, small ? 7.0 : 11.0}, std::to_string(v), small ? 19 : 15, colour, "middle", true);
    }
}

} // namespace blink::detail::svg
