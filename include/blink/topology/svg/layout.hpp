// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where a picture puts GPUs and switches: the cube-mesh as it is usually drawn, other NVLink machines as a ring of
/// GPUs around their switches, PCIe trees in layers with the GPUs at the bottom.
#pragma once

#include <blink/topology/fabric.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

namespace blink::detail::svg {

struct point {
    double x = 0;
    double y = 0;

    friend constexpr point operator+(point a, point b) noexcept { return {a.x + b.x, a.y + b.y}; }
    friend constexpr point operator-(point a, point b) noexcept { return {a.x - b.x, a.y - b.y}; }
    friend constexpr point operator*(point a, double k) noexcept { return {a.x * k, a.y * k}; }
    friend constexpr bool operator==(const point&, const point&) = default;
};

[[nodiscard]] inline double length(point p) noexcept { return std::hypot(p.x, p.y); }

enum class style : unsigned char { cube_mesh, ring, layers };

/// A vertex that no shown link touches, and that is no GPU, has no place.
struct layout {
    style kind = style::ring;
    double width = 0;
    double height = 0;
    std::vector<std::optional<point>> at;
    std::vector<link> links; ///< those that are shown, one direction of each pair
};

inline constexpr double gpu_radius = 21;
inline constexpr double margin = 34;

/// The links to show: NVLinks and the network, or the PCIe tree.
template <capacity_graph G>
[[nodiscard]] std::vector<link> shown_links(const G& g, link_choice choice) {
    const auto fast = [](const link& l) { return l.kind != link_kind::pcie; };
    const bool pcie =
        choice == link_choice::pcie || (choice != link_choice::nvlink && std::ranges::none_of(g.links(), fast));
    std::vector<link> shown;
    for (const link& l : g.links()) {
        const auto same_pair = [&](const link& s) {
            return (s.from == l.to && s.to == l.from) || (s.from == l.from && s.to == l.to);
        };
        if (fast(l) != pcie && std::ranges::none_of(shown, same_pair)) { shown.push_back(l); }
    }
    return shown;
}

/// True where NVLink joins the pairs of GPUs that it joins in a DGX-1.
[[nodiscard]] inline bool is_cube_mesh(int gpus, const std::vector<link>& links) {
    if (gpus != 8 || links.size() != 16) { return false; }
    return std::ranges::all_of(links, [](const link& l) {
        return l.from < 8 && l.to < 8 && l.kind == link_kind::nvlink &&
               dgx1v_lanes[static_cast<std::size_t>(l.from)][static_cast<std::size_t>(l.to)] > 0;
    });
}

/// Two squares side by side, the right one mirrored; slanted, so that no link between the squares runs through a GPU.
inline void place_cube_mesh(layout& l) {
    constexpr point left[] = {{165, 62}, {0, 0}, {0, 270}, {165, 208}};
    l.kind = style::cube_mesh;
    l.width = 520 + 2 * margin;
    l.height = 270 + 2 * margin;
    for (std::size_t i = 0; i < 8; ++i) {
        const point p = left[i % 4];
        l.at[i] = point{margin + (i < 4 ? p.x : 520 - p.x), margin + p.y};
    }
}

/// The mean of the places of those neighbours of v that `wanted` takes; nothing where there is none.
template <class Wanted>
[[nodiscard]] std::optional<point> amid(const layout& l, int v, Wanted wanted) {
    point sum;
    int n = 0;
    for (const link& wire : l.links) {
        if (wire.from != v && wire.to != v) { continue; }
        const int other = wire.from == v ? wire.to : wire.from;
        const auto& place = l.at[static_cast<std::size_t>(other)];
        if (!place || !wanted(other)) { continue; }
        sum = sum + *place;
        ++n;
    }
    return n > 0 ? std::optional(sum * (1.0 / n)) : std::nullopt;
}

inline void place_ring(layout& l, int gpus) {
    const double radius = gpus == 1 ? 0 : std::max(150.0, gpus * 66 / (2 * std::numbers::pi));
    l.kind = style::ring;
    const point centre{radius + margin + 26, gpus < 3 ? margin + 40 : radius + margin};
    l.width = 2 * centre.x;
    l.height = 2 * centre.y;
    for (int i = 0; i < gpus; ++i) {
        // From the left for two GPUs, from the top otherwise.
        const double turn = 2 * std::numbers::pi * i / gpus - (gpus == 2 ? std::numbers::pi : std::numbers::pi / 2);
        l.at[static_cast<std::size_t>(i)] = centre + point{std::cos(turn), std::sin(turn)} * radius;
    }
    for (int v = gpus; v < static_cast<int>(l.at.size()); ++v) {
        const auto place = amid(l, v, [&](int u) { return u < gpus; });
        // Several boxes: each switch towards its own GPUs.
        if (place) { l.at[static_cast<std::size_t>(v)] = centre + (*place - centre) * 0.85; }
    }
}

/// Hops from each vertex to its nearest GPU; -1 where there is no way.
[[nodiscard]] inline std::vector<int> levels(const layout& l, int gpus) {
    std::vector<int> level(l.at.size(), -1);
    std::fill_n(level.begin(), gpus, 0);
    for (int reached = 0; reached < static_cast<int>(level.size()); ++reached) {
        for (const link& wire : l.links) {
            for (const auto& [u, v] : {std::pair{wire.from, wire.to}, std::pair{wire.to, wire.from}}) {
                int& there = level[static_cast<std::size_t>(v)];
                if (level[static_cast<std::size_t>(u)] == reached && there == -1) { there = reached + 1; }
            }
        }
    }
    return level;
}

/// GPUs in a row at the bottom; switches above them amid what hangs on them, hosts in the top layer.
template <capacity_graph G>
void place_layers(layout& l, const G& g) {
    constexpr double column = 88;
    constexpr double row = 84;
    std::vector<int> level = levels(l, g.gpu_count());
    const int top = *std::ranges::max_element(level);
    l.kind = style::layers;
    l.width = g.gpu_count() * column + 2 * margin;
    l.height = top * row + 2 * margin;
    for (int v = 0; v < g.vertex_count(); ++v) {
        int& mine = level[static_cast<std::size_t>(v)];
        if (g.kind_of(v) == vertex_kind::host && mine != -1) { mine = top; }
    }
    for (int depth = 0; depth <= top; ++depth) {
        for (int v = 0; v < g.vertex_count(); ++v) {
            if (level[static_cast<std::size_t>(v)] != depth) { continue; }
            const auto below = amid(l, v, [&](int u) { return level[static_cast<std::size_t>(u)] < depth; });
            const double x = depth > 0 && below ? below->x : margin + column * (0.5 + v);
            l.at[static_cast<std::size_t>(v)] = point{x, margin + (top - depth) * row};
        }
    }
}

/// Places the GPUs of `g`, and the switches on the links that are shown.
template <capacity_graph G>
[[nodiscard]] layout make_layout(const G& g, link_choice choice) {
    layout l;
    l.at.resize(static_cast<std::size_t>(g.vertex_count()));
    l.links = shown_links(g, choice);
    const auto is_pcie = [](const link& wire) { return wire.kind == link_kind::pcie; };
    if (is_cube_mesh(g.gpu_count(), l.links)) {
        place_cube_mesh(l);
    } else if (!l.links.empty() && std::ranges::all_of(l.links, is_pcie)) {
        place_layers(l, g);
    } else {
        place_ring(l, g.gpu_count());
    }
    return l;
}

} // namespace blink::detail::svg
