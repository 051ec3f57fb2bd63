// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Switches split off for an allreduce on full-duplex wires: what is left are wires between ranks on which undirected
/// trees reach what the partitions allow, even where no rates of roots do.
///
/// The pairing off of whole units (`split_switches`) keeps what every rank receives; here wires are joined in both
/// directions at once, and what is kept is the partition bound (`split_demand`), as for relays.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/relay_fabric.hpp>
#include <blink/packing/split_packing.hpp>
#include <blink/packing/wires.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// Wires between ranks in place of switches.
struct switchless {
    fabric wires;                ///< a link of its own under each hop
    std::vector<strand> strands; ///< strand i is the arcs 2i and 2i + 1 of `wires`, over links of the machine
};

/// @return no strands where a link has none that leads back with the same capacity
[[nodiscard]] inline switchless without_switches(const fabric& f) {
    const std::vector<int> opposite = opposite_links(f);
    if (std::find(opposite.begin(), opposite.end(), -1) != opposite.end()) { return {}; }
    const auto switches = static_cast<std::size_t>(f.vertices - f.ranks);
    topology machine("switches", f.ranks, std::vector<vertex_kind>(switches, vertex_kind::nvswitch));
    std::vector<strand> wires;
    for (std::size_t i = 0; i < f.links.size(); ++i) {
        const link& l = f.links[i];
        machine.add_link(l);
        const int back = opposite[i];
        if (static_cast<int>(i) < back) { wires.push_back({l.from, l.to, l.GBps, {static_cast<int>(i)}, {back}}); }
    }
    switchless left;
    left.strands = merged(wire_splitter(machine, wires, collective::allreduce, 0).split());
    left.wires = fabric_of(machine, wires, left.strands);
    return left;
}

/// Trees over the hops of `left.wires` as trees over the links of the machine `f`.
[[nodiscard]] inline routed_trees on_machine(std::vector<packed_tree> trees, const switchless& left, const fabric& f) {
    arc_finder arcs(f);
    const auto own = [&](int hop) {
        const strand& s = left.strands[static_cast<std::size_t>(hop / 2)];
        return hop % 2 == 0 ? arcs.index({s.a, s.b, s.there}) : arcs.index({s.b, s.a, s.back});
    };
    for (packed_tree& t : trees) {
        for (tree_edge& e : t.edges) {
            e.down = own(e.down);
            e.up = own(e.up);
        }
    }
    return {std::move(trees), std::move(arcs).more()};
}

} // namespace detail

} // namespace blink
