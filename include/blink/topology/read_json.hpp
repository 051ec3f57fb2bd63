// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reads Blink's topology JSON.
///
///     {"name": "box", "gpus": 4, "switches": 1, "switch_kinds": ["nvswitch"],
///      "links": [{"a": 0, "b": 1, "GBps": 25.0, "count": 2, "kind": "nvlink", "directed": false}]}
///
/// Vertices 0 .. gpus-1 are GPUs, then switches. `GBps` is per link and direction; `count` is 1, `kind` nvlink and
/// `directed` false where left out. `switch_kinds` and a link's `latency_us` may be left out too; a switch without a
/// kind gets that of its first link: NVSwitch, PCIe switch or network switch. Members of other names are ignored.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/json.hpp>
#include <blink/topology/topology.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

/// Most vertices of either sort and most lanes of a link that a file may ask for.
inline constexpr int most_vertices = 4096;

template <class Kind, std::size_t N>
[[nodiscard]] Kind kind_from(const json::value& v, const std::array<Kind, N>& kinds) {
    std::string expected;
    for (const Kind k : kinds) {
        if (v.as_string() == to_string(k)) { return k; }
        expected += (expected.empty() ? "" : ", ") + std::string(to_string(k));
    }
    throw json::format_error(v.line(), "found the kind " + v.dump() + ", expected one of " + expected);
}

[[nodiscard]] inline link_kind link_kind_from(const json::value& v) {
    return kind_from(v, std::array{link_kind::nvlink, link_kind::pcie, link_kind::network});
}

[[nodiscard]] inline vertex_kind switch_kind_from(const json::value& v) {
    return kind_from(
        v, std::array{vertex_kind::nvswitch, vertex_kind::pcie_switch, vertex_kind::host, vertex_kind::network_switch});
}

/// The kind of a switch whose first link is `wire`.
[[nodiscard]] constexpr vertex_kind switch_kind_on(link_kind wire) noexcept {
    switch (wire) {
    case link_kind::pcie:
        return vertex_kind::pcie_switch;
    case link_kind::network:
        return vertex_kind::network_switch;
    default:
        return vertex_kind::nvswitch;
    }
}

/// A link of the file: the bundle, and whether it leads one way only.
struct json_link {
    link wire;
    bool directed = false;
};

[[nodiscard]] inline json_link link_from(const json::value& v, int vertices) {
    json_link result;
    link& l = result.wire;
    l.from = v.at("a").as_int(0, vertices - 1);
    const json::value& b = v.at("b");
    l.to = b.as_int(0, vertices - 1);
    if (l.from == l.to) {
        throw json::format_error(b.line(), "found a link from " + std::to_string(l.from) +
                                               " to itself, expected two different vertices");
    }
    if (const json::value* count = v.find("count")) { l.lanes = count->as_int(1, most_vertices); }
    const json::value& rate = v.at("GBps");
    l.GBps = rate.as_number() * l.lanes;
    if (!(l.GBps > 0) || l.GBps > 1e6) {
        throw json::format_error(rate.line(),
                                 "found " + rate.dump() + " GB/s, expected more than 0 and at most 1e6 in all");
    }
    if (const json::value* kind = v.find("kind")) { l.kind = link_kind_from(*kind); }
    if (const json::value* latency = v.find("latency_us")) {
        l.latency_us = latency->as_number();
        if (!(l.latency_us >= 0) || l.latency_us > 1e9) {
            throw json::format_error(latency->line(), "found " + latency->dump() + " us, expected 0 to 1e9");
        }
    }
    if (const json::value* directed = v.find("directed")) { result.directed = directed->as_bool(); }
    return result;
}

[[nodiscard]] inline std::vector<vertex_kind> switch_kinds_from(const json::value& document, int gpus, int switches,
                                                                const std::vector<json_link>& links) {
    std::vector<vertex_kind> kinds(static_cast<std::size_t>(switches), vertex_kind::nvswitch);
    if (const json::value* given = document.find("switch_kinds")) {
        const json::array& list = given->as_array();
        if (list.size() != kinds.size()) {
            throw json::format_error(given->line(), "found " + std::to_string(list.size()) +
                                                        " kinds of switches, expected " + std::to_string(switches));
        }
        std::ranges::transform(list, kinds.begin(), switch_kind_from);
        return kinds;
    }
    for (auto l = links.rbegin(); l != links.rend(); ++l) {
        for (const int v : {l->wire.from, l->wire.to}) {
            if (v >= gpus) { kinds[static_cast<std::size_t>(v - gpus)] = switch_kind_on(l->wire.kind); }
        }
    }
    return kinds;
}

} // namespace detail

/// The topology that a JSON value describes, as a part of another document.
/// @throw json::format_error with the line of what is wrong
[[nodiscard]] inline topology topology_from(const json::value& document) {
    const int gpus = document.at("gpus").as_int(1, detail::most_vertices);
    const json::value* given = document.find("switches");
    const int switches = given != nullptr ? given->as_int(0, detail::most_vertices) : 0;
    const json::value* name = document.find("name");
    std::vector<detail::json_link> links;
    for (const json::value& v : document.at("links").as_array()) {
        links.push_back(detail::link_from(v, gpus + switches));
    }
    topology result{name != nullptr ? name->as_string() : "unnamed", gpus,
                    detail::switch_kinds_from(document, gpus, switches, links)};
    for (const auto& [wire, directed] : links) {
        if (directed) {
            result.add_link(wire);
        } else {
            result.connect(wire);
        }
    }
    return result;
}

/// Reads the text of a file in Blink's topology JSON.
/// @param file what errors call the text
/// @throw topology_error with the file, the line, what was found and what was expected
[[nodiscard]] inline topology read_json(std::string_view text, std::string_view file) {
    try {
        return topology_from(json::parse(text));
    } catch (const json::format_error& e) { throw topology_error(file, e.line(), e.found_and_expected()); }
}

} // namespace blink
