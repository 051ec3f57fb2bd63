// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes Blink's topology JSON, which `read_json` reads back to an equal topology.
#pragma once

#include <blink/core/json.hpp>
#include <blink/topology/topology.hpp>

#include <string>
#include <utility>

namespace blink {
namespace detail {

/// True where `back` is `there` in the other direction.
[[nodiscard]] constexpr bool is_other_direction(const link& there, link back) noexcept {
    std::swap(back.from, back.to);
    return there == back;
}

[[nodiscard]] inline json::value to_json(const link& l, bool directed) {
    json::object o{{"a", l.from}, {"b", l.to}, {"GBps", l.GBps / l.lanes}};
    if (l.lanes != 1) { o.emplace_back("count", l.lanes); }
    o.emplace_back("kind", to_string(l.kind));
    if (l.latency_us != 0) { o.emplace_back("latency_us", l.latency_us); }
    if (directed) { o.emplace_back("directed", true); }
    return json::value(std::move(o));
}

} // namespace detail

/// The JSON value of a topology, to stand alone or in a larger document.
template <capacity_graph G>
[[nodiscard]] json::value to_json(const G& g) {
    json::array kinds;
    for (int v = g.gpu_count(); v < g.vertex_count(); ++v) { kinds.emplace_back(to_string(g.kind_of(v))); }
    json::array links;
    const std::span<const link> wires = g.links();
    for (std::size_t i = 0; i < wires.size(); ++i) {
        const bool duplex = i + 1 < wires.size() && detail::is_other_direction(wires[i], wires[i + 1]);
        links.push_back(detail::to_json(wires[i], !duplex));
        if (duplex) { ++i; }
    }
    json::object o{
        {"name", std::string(g.name())}, {"gpus", g.gpu_count()}, {"switches", g.vertex_count() - g.gpu_count()}};
    if (!kinds.empty()) { o.emplace_back("switch_kinds", std::move(kinds)); }
    o.emplace_back("links", std::move(links));
    return json::value(std::move(o));
}

/// The text of a topology file: a line a member, a line a link.
template <capacity_graph G>
[[nodiscard]] std::string write_json(const G& g) {
    const json::value document = to_json(g);
    std::string out;
    for (const auto& [name, v] : document.as_object()) {
        out += (out.empty() ? "{\n  \"" : ",\n  \"") + name + "\": ";
        if (name != "links") {
            out += v.dump(2);
            continue;
        }
        std::string lines;
        for (const json::value& l : v.as_array()) { lines += (lines.empty() ? "\n    " : ",\n    ") + l.dump(); }
        out += '[' + lines + (lines.empty() ? "]" : "\n  ]");
    }
    return out + "\n}\n";
}

} // namespace blink
