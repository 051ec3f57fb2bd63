// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes a machine, and trees over it, in Graphviz' DOT language.
#pragma once

#include <blink/core/json.hpp>
#include <blink/topology/drawn_tree.hpp>
#include <blink/topology/topology.hpp>

#include <span>
#include <string>
#include <string_view>

namespace blink {
namespace detail {

/// A number as the JSON writer writes it: shortest text that reads back to the same value.
[[nodiscard]] inline std::string dot_number(double x) { return json::value(x).dump(); }

/// A quoted identifier. DOT knows no escape but that of the quote itself.
[[nodiscard]] inline std::string dot_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') { out += '\\'; }
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + '"';
}

[[nodiscard]] inline std::string dot_link(const link& l, bool duplex) {
    std::string label = l.lanes > 1 ? std::to_string(l.lanes) + " x " : "";
    label += dot_number(l.GBps / l.lanes);
    const std::string_view line = l.kind == link_kind::nvlink ? "solid" : "dashed";
    return "  v" + std::to_string(l.from) + " -> v" + std::to_string(l.to) + " [label=\"" + label +
           "\", style=" + std::string(line) + ", color=gray50, fontcolor=gray50" + (duplex ? ", dir=none" : "") +
           "];\n";
}

} // namespace detail

/// The machine as a DOT digraph: links grey, labelled in GB/s each way (full-duplex ones without an arrow head), and
/// each tree in its colour, labelled with its rate.
/// @throw usage_error for a tree that names a GPU which the machine does not have
template <capacity_graph G>
[[nodiscard]] std::string write_dot(const G& g, std::span<const drawn_tree> trees = {}) {
    detail::check_trees(g, trees);
    std::string out = "digraph " + detail::dot_quoted(g.name()) + " {\n  node [shape=circle];\n";
    for (int v = 0; v < g.vertex_count(); ++v) {
        const bool gpu = v < g.gpu_count();
        const std::string label = gpu ? "GPU " + std::to_string(v) : std::string(to_string(g.kind_of(v)));
        out += "  v" + std::to_string(v) + " [label=\"" + label + "\"" + (gpu ? "" : ", shape=box") + "];\n";
    }
    const std::span<const link> wires = g.links();
    for (std::size_t i = 0; i < wires.size(); ++i) {
        link back = wires[i];
        std::swap(back.from, back.to);
        const bool duplex = i + 1 < wires.size() && wires[i + 1] == back;
        out += detail::dot_link(wires[i], duplex);
        if (duplex) { ++i; }
    }
    for (std::size_t i = 0; i < trees.size(); ++i) {
        const std::string colour = detail::dot_quoted(detail::tree_colour(i));
        const std::string label = detail::dot_quoted(trees[i].label + ": " + detail::dot_number(trees[i].GBps));
        for (const auto& [parent, child] : trees[i].edges) {
            out += "  v" + std::to_string(parent) + " -> v" + std::to_string(child) + " [label=" + label +
                   ", color=" + colour + ", fontcolor=" + colour + ", penwidth=2];\n";
        }
    }
    return out + "}\n";
}

} // namespace blink
