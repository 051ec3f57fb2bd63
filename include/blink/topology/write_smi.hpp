// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes a matrix in the manner of `nvidia-smi topo -m`.
#pragma once

#include <blink/topology/topology.hpp>

#include <algorithm>
#include <queue>
#include <string>
#include <vector>

namespace blink {
namespace detail {

/// NVLinks from a to b: direct ones, or those that both have into the same NVSwitch.
template <capacity_graph G>
[[nodiscard]] int nvlinks_between(const G& g, int a, int b) {
    std::vector<int> from_a(static_cast<std::size_t>(g.vertex_count()));
    std::vector<int> to_b(static_cast<std::size_t>(g.vertex_count()));
    for (const link& l : g.links()) {
        if (l.kind != link_kind::nvlink) { continue; }
        if (l.from == a) { from_a[static_cast<std::size_t>(l.to)] += l.lanes; }
        if (l.to == b) { to_b[static_cast<std::size_t>(l.from)] += l.lanes; }
    }
    int lanes = from_a[static_cast<std::size_t>(b)];
    for (auto v = static_cast<std::size_t>(g.gpu_count()); v < from_a.size(); ++v) {
        lanes += std::min(from_a[v], to_b[v]);
    }
    return lanes;
}

/// The switches on the shortest way from a to b over links that are not NVLinks; b itself last, nothing without a way.
template <capacity_graph G>
[[nodiscard]] std::vector<int> way_between(const G& g, int a, int b) {
    std::vector<int> before(static_cast<std::size_t>(g.vertex_count()), -1);
    before[static_cast<std::size_t>(a)] = a;
    std::queue<int> frontier;
    frontier.push(a);
    while (!frontier.empty()) {
        const int v = frontier.front();
        frontier.pop();
        if (v != a && v < g.gpu_count()) { continue; }
        for (const link& l : g.links()) {
            int& mark = before[static_cast<std::size_t>(l.to)];
            if (l.from != v || l.kind == link_kind::nvlink || mark != -1) { continue; }
            mark = v;
            frontier.push(l.to);
        }
    }
    std::vector<int> way;
    if (before[static_cast<std::size_t>(b)] == -1) { return way; }
    for (int v = b; v != a; v = before[static_cast<std::size_t>(v)]) { way.insert(way.begin(), v); }
    return way;
}

} // namespace detail

/// How nvidia-smi would name what joins two GPUs: NV# with the number of NVLinks, PIX, PXB, NODE or SYS for PCIe; NET
/// for a network, NS where nothing joins them.
template <capacity_graph G>
[[nodiscard]] std::string nvlink_label(const G& g, int a, int b) {
    if (a == b) { return "X"; }
    if (const int lanes = detail::nvlinks_between(g, a, b); lanes > 0) { return "NV" + std::to_string(lanes); }
    const std::vector<int> way = detail::way_between(g, a, b);
    const auto count = [&](vertex_kind k) {
        return std::ranges::count_if(way, [&](int v) { return g.kind_of(v) == k; });
    };
    if (way.empty()) { return "NS"; }
    if (count(vertex_kind::network_switch) > 0) { return "NET"; }
    if (const auto hosts = count(vertex_kind::host); hosts > 0) { return hosts > 1 ? "SYS" : "NODE"; }
    return count(vertex_kind::pcie_switch) > 1 ? "PXB" : "PIX";
}

/// The matrix of all GPUs, tabs between the cells.
template <capacity_graph G>
[[nodiscard]] std::string write_smi(const G& g) {
    std::string out;
    for (int b = 0; b < g.gpu_count(); ++b) { out += "\tGPU" + std::to_string(b); }
    out += '\n';
    for (int a = 0; a < g.gpu_count(); ++a) {
        out += "GPU" + std::to_string(a);
        for (int b = 0; b < g.gpu_count(); ++b) { out += (a == b ? "\t " : "\t") + nvlink_label(g, a, b); }
        out += '\n';
    }
    return out;
}

} // namespace blink
