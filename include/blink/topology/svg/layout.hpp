// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where a picture puts GPUs and switches: the cube-mesh as it is usually drawn, other NVLink machines as rings of
/// GPUs around their switches, PCIe trees in layers with the GPUs at the bottom.
#pragma once

#include <blink/topology/fabric.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/svg/geometry.hpp>
#include <blink/topology/svg/rings.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace blink::detail::svg {

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
    } else if (const auto boxes = boxes_of_gpus(l, g); boxes.size() > 1) {
        place_boxes(l, boxes, g.gpu_count());
    } else {
        place_ring(l, g.gpu_count());
    }
    return l;
}

} // namespace blink::detail::svg
