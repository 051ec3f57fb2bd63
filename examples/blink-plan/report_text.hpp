// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The report for people: rate, bound and bottleneck in words, the trees, and the modelled times.
#pragma once

#include <blink/core/text.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "report.hpp"

namespace blink_plan {

[[nodiscard]] inline std::string left(std::string s, std::size_t width) {
    if (s.size() < width) { s.append(width - s.size(), ' '); }
    return s;
}

[[nodiscard]] inline std::string right(const std::string& s, std::size_t width) {
    return s.size() < width ? std::string(width - s.size(), ' ') + s : s;
}

[[nodiscard]] inline std::string counted(std::size_t n, std::string_view noun) {
    return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

/// `GPU 3`, or `GPUs 0-2,5`.
[[nodiscard]] inline std::string named_gpus(const blink::plan& p, const std::vector<int>& ranks) {
    return (ranks.size() == 1 ? "GPU " : "GPUs ") + blink::format_ranks(given(p, ranks));
}

/// The kinds of wires that the plan loads: `NVLink`, `PCIe`, `NVLink and network`.
[[nodiscard]] inline std::string wires_in_words(const blink::plan& p) {
    std::set<blink::link_kind> kinds;
    for (const blink::arc& a : p.fabric.arcs) {
        for (const int l : a.route) { kinds.insert(p.fabric.links.at(static_cast<std::size_t>(l)).kind); }
    }
    std::string words;
    for (const blink::link_kind k : kinds) {
        const char* name = k == blink::link_kind::nvlink ? "NVLink" : k == blink::link_kind::pcie ? "PCIe" : "network";
        words += (words.empty() ? "" : " and ") + std::string(name);
    }
    return words;
}

/// Wires that lead straight from the ranks `from` to other ranks; 0 where switches lie between them, so that counting
/// wires says nothing.
[[nodiscard]] inline std::size_t crossing_wires(const blink::fabric& f, const std::vector<int>& from) {
    const auto inside = [&](int v) { return std::ranges::find(from, v) != from.end(); };
    std::size_t wires = 0;
    for (const blink::link& l : f.links) {
        if (l.from >= f.ranks || l.to >= f.ranks) { return 0; }
        if (inside(l.from) && !inside(l.to)) { wires += static_cast<std::size_t>(l.lanes); }
    }
    return wires;
}

/// Why nothing is faster than the bound.
[[nodiscard]] inline std::string bottleneck_in_words(const blink::plan& p) {
    const auto& parts = p.packing.bound.parts;
    if (parts.size() < 2) { return "one GPU has nothing to send"; }
    if (parts.size() == 2) {
        std::string words;
        switch (p.packing.kind) {
        case blink::collective::broadcast:
            words = "no more leaves " + named_gpus(p, parts[0]) + " for " + named_gpus(p, parts[1]);
            break;
        case blink::collective::reduce:
            words = "no more reaches " + named_gpus(p, parts[0]) + " from " + named_gpus(p, parts[1]);
            break;
        case blink::collective::allgather:
            words = "the shards of " + named_gpus(p, parts[0]) + " reach " + named_gpus(p, parts[1]) + " no faster";
            break;
        case blink::collective::reduce_scatter:
            words = named_gpus(p, parts[1]) + " can give no more to the shards of " + named_gpus(p, parts[0]);
            break;
        case blink::collective::allreduce:
            words = "no more passes between " + named_gpus(p, parts[0]) + " and " + named_gpus(p, parts[1]);
        }
        const std::size_t wires = crossing_wires(p.fabric, parts[0]);
        return words + (wires > 0 ? " (" + counted(wires, "link") + ")" : "");
    }
    const double crossing = p.packing.bound.GBps * static_cast<double>(parts.size() - 1);
    const std::string carried = blink::format_fixed(crossing, 2) + " GB/s";
    const std::string hops = std::to_string(parts.size() - 1);
    if (static_cast<int>(parts.size()) == p.packing.ranks) {
        return "all links together carry " + carried + ", and every tree takes " + hops + " hops";
    }
    std::string groups;
    for (const auto& part : parts) { groups += " {" + blink::format_ranks(given(p, part)) + "}"; }
    return "the links between" + groups + " carry " + carried + ", and every tree crosses them " + hops + " times";
}

/// Relays on the way to a child, as `[2-3]-`.
[[nodiscard]] inline std::string way_to(const blink::plan& p, const blink::tree_edge& e) {
    std::string way;
    for (const int r : relays_towards_child(p, e)) { way += (way.empty() ? "" : "-") + std::to_string(r); }
    return way.empty() ? "" : "[" + way + "]-";
}

/// A tree from its root in one line: `0-1-(2, [4]-3-5)` means 0 feeds 1, which feeds 2 and, through relay 4, 3, which
/// feeds 5.
[[nodiscard]] inline std::string tree_in_line(const blink::plan& p, const blink::packed_tree& t, int from) {
    std::vector<blink::tree_edge> children;
    std::ranges::copy_if(t.edges, std::back_inserter(children), [&](const auto& e) { return e.parent == from; });
    std::string line = std::to_string(given(p, from));
    if (children.empty()) { return line; }
    std::string below;
    for (const blink::tree_edge& e : children) {
        below += (below.empty() ? "" : ", ") + way_to(p, e) + tree_in_line(p, t, e.child);
    }
    return line + "-" + (children.size() > 1 ? "(" + below + ")" : below);
}

/// A line of the table of trees.
[[nodiscard]] inline std::string tree_as_row(const blink::plan& p, const blink::packed_tree& t, std::size_t number) {
    return right(std::to_string(number), 4) + right(std::to_string(given(p, t.root)), 6) +
           right(blink::format_fixed(t.GBps, 2), 9) + right(std::to_string(depth(t, p.packing.ranks)), 7) + "  " +
           tree_in_line(p, t, t.root) + "\n";
}

[[nodiscard]] inline std::string trees_as_table(const blink::plan& p) {
    std::string table = "\n  tree  root     GB/s  depth  from the root\n";
    std::size_t number = 0;
    for (const blink::packed_tree& t : p.packing.trees) { table += "  " + tree_as_row(p, t, ++number); }
    return table;
}

/// What each relay forwards, both ways together.
[[nodiscard]] inline std::string forwarding_in_words(const blink::plan& p) {
    std::map<int, double> forwarded;
    for (const blink::packed_tree& t : p.packing.trees) {
        for (const blink::tree_edge& e : t.edges) {
            for (const int hop : {e.down, e.up}) {
                if (hop == -1) { continue; }
                for (const int relay : relays_on(p, hop)) { forwarded[relay] += t.GBps; }
            }
        }
    }
    std::string words;
    for (const auto& [relay, GBps] : forwarded) {
        words += (words.empty() ? "" : ", ") + std::to_string(relay) + ": " + blink::format_fixed(GBps, 2);
    }
    return words.empty() ? "no GPU has to forward" : "GPUs forward, in GB/s: " + words;
}

[[nodiscard]] inline std::string timings_as_table(const report& r) {
    const std::string title = "simulated with " + blink::format_bytes(r.simulated_bytes);
    std::size_t widest = title.size();
    for (const timing& t : r.simulated) { widest = std::max(widest, t.label.size()); }
    std::string table = "\n  " + left(title, widest) + "         time      GB/s      chunk\n";
    for (const timing& t : r.simulated) {
        table += "  " + left(t.label, widest) + right(blink::format_seconds(t.seconds), 13) +
                 right(blink::format_fixed(t.GBps, 2), 10) + right(blink::format_bytes(t.chunk_bytes), 11);
        const double gain = t.seconds / r.simulated.front().seconds;
        if (&t != &r.simulated.front()) { table += "   Blink is " + blink::format_fixed(gain, 2) + "x as fast"; }
        table += "\n";
    }
    return table;
}

/// The collective, who takes part in it, and over which wires.
[[nodiscard]] inline std::string headline(const blink::plan& p) {
    const blink::packing& k = p.packing;
    std::string text = p.machine.name() + ": " + std::string(blink::to_string(k.kind));
    if (k.kind == blink::collective::broadcast) { text += " from GPU " + std::to_string(given(p, k.root)); }
    if (k.kind == blink::collective::reduce) { text += " to GPU " + std::to_string(given(p, k.root)); }
    text += " among " + counted(p.gpus.size(), "GPU") + " (" + blink::format_ranks(p.gpus) + ")";
    return text + (p.gpus.size() < 2 ? ": nothing to send" : " over " + wires_in_words(p));
}

[[nodiscard]] inline std::string to_text(const report& r) {
    const blink::plan& p = r.plan;
    const blink::packing& k = p.packing;
    std::string text = headline(p) + "\n";
    if (p.gpus.size() < 2) { return text; }
    text += "\n";

    int deepest = 0;
    for (const blink::packed_tree& t : k.trees) { deepest = std::max(deepest, depth(t, k.ranks)); }
    const auto line = [&](const char* what, const std::string& number, const std::string& words) {
        text += "  " + left(what, 10) + right(number, 12) + "   " + words + "\n";
    };
    const auto rate = [](double GBps) { return blink::format_fixed(GBps, 2) + " GB/s"; };
    line("rate", rate(k.GBps),
         counted(k.trees.size(), "tree") + ", at most " + counted(static_cast<std::size_t>(deepest), "hop") +
             " deep: " + blink::format_fixed(100 * k.GBps / k.bound.GBps, 1) + " % of the bound");
    line("bound", rate(k.bound.GBps), bottleneck_in_words(p));
    if (k.weights.candidates > 0) {
        line("MWU", rate(k.weights.GBps),
             counted(static_cast<std::size_t>(k.weights.candidates), "candidate") + " after " +
                 counted(static_cast<std::size_t>(k.weights.iterations), "iteration") + " with epsilon " +
                 blink::format_fixed(k.weights.epsilon, 2) + " -> " + counted(k.trees.size(), "tree"));
    }
    if (!p.relays.empty()) { line("relays", counted(p.relays.size(), "GPU"), forwarding_in_words(p)); }
    line("planned in", blink::format_seconds(p.seconds), "");
    text.erase(text.find_last_not_of(" \n") + 1);
    text += "\n" + trees_as_table(p);
    if (!r.simulated.empty()) { text += timings_as_table(r); }
    return text;
}

} // namespace blink_plan
