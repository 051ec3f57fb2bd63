// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a machine can carry, by trying every cut and every partition, and what trees load it with, counted anew. Shares
/// nothing with the planner but its value types.
#pragma once

#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace oracle {

/// What the links carry out of the vertices of `set` (into it, if asked).
inline double crossing(const blink::fabric& f, unsigned set, bool into) {
    double sum = 0;
    for (const blink::link& l : f.links) {
        const bool from = (set >> l.from & 1U) != 0;
        const bool to = (set >> l.to & 1U) != 0;
        if (from != to && to == into) { sum += l.GBps; }
    }
    return sum;
}

inline int ranks_in(const blink::fabric& f, unsigned set) {
    int members = 0;
    for (int v = 0; v < f.ranks; ++v) { members += (set >> v & 1U) != 0 ? 1 : 0; }
    return members;
}

/// The weakest cut between the root and any other rank, over all sets of ranks and switches.
inline double rooted(const blink::fabric& f, int root, bool reduce) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned set = 0; set < 1U << f.vertices; ++set) {
        if ((set >> root & 1U) == 0 || ranks_in(f, set) == f.ranks) { continue; }
        least = std::min(least, crossing(f, set, reduce));
    }
    return least;
}

/// n shards, of which those of each set have to leave it (or those of the others to come in).
inline double sharded(const blink::fabric& f, bool into) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned set = 0; set < 1U << f.vertices; ++set) {
        const int members = ranks_in(f, set);
        if (members == 0 || members == f.ranks) { continue; }
        least = std::min(least, f.ranks * crossing(f, set, into) / members);
    }
    return least;
}

/// All partitions of full-duplex direct links: crossing / (parts - 1).
inline double allreduce(const blink::fabric& f) {
    double least = std::numeric_limits<double>::infinity();
    std::vector<int> part(static_cast<std::size_t>(f.ranks), 0);
    const auto visit = [&](const auto& self, int v, int parts) -> void {
        if (v == f.ranks) {
            if (parts < 2) { return; }
            double sum = 0;
            for (const blink::link& l : f.links) {
                if (part[static_cast<std::size_t>(l.from)] != part[static_cast<std::size_t>(l.to)]) { sum += l.GBps; }
            }
            least = std::min(least, sum / 2 / (parts - 1));
            return;
        }
        for (int p = 0; p <= parts; ++p) {
            part[static_cast<std::size_t>(v)] = p;
            self(self, v + 1, std::max(parts, p + 1));
        }
    };
    visit(visit, 0, 0);
    return least;
}

/// What a packing really moves: its rate if every tree spans the ranks over ways that exist, every link bears its load
/// and, with shards, every root has as much as any other; else why not, as text.
struct count {
    double GBps = 0;
    std::string wrong;
};

inline count recount(const blink::packing& p, const blink::fabric& f) {
    count c;
    std::vector<double> load(f.links.size(), 0);
    std::map<int, double> of_root;
    const auto cross = [&](int hop, int from, int to, double GBps) {
        if (hop < 0) { return; }
        int v = from;
        for (const int l : f.arcs.at(static_cast<std::size_t>(hop)).route) {
            const blink::link& next = f.links.at(static_cast<std::size_t>(l));
            if (next.from != v || (v != from && v < f.ranks)) { c.wrong = "a route is broken"; }
            v = next.to;
            load[static_cast<std::size_t>(l)] += GBps;
        }
        if (v != to) { c.wrong = "a route leads elsewhere"; }
    };
    for (const blink::packed_tree& t : p.trees) {
        std::vector<int> entered(static_cast<std::size_t>(p.ranks), 0);
        entered[static_cast<std::size_t>(t.root)] = 1;
        for (const blink::tree_edge& e : t.edges) {
            if (entered.at(static_cast<std::size_t>(e.parent)) == 0) { c.wrong = "an edge hangs in the air"; }
            ++entered.at(static_cast<std::size_t>(e.child));
            if ((e.down < 0) == blink::hands_on(p.kind)) { c.wrong = "a way down is missing or too much"; }
            if ((e.up < 0) == blink::reduces(p.kind)) { c.wrong = "a way up is missing or too much"; }
            cross(e.down, e.parent, e.child, t.GBps);
            cross(e.up, e.child, e.parent, t.GBps);
        }
        if (std::any_of(entered.begin(), entered.end(), [](int n) { return n != 1; })) { c.wrong = "no spanning tree"; }
        c.GBps += t.GBps;
        of_root[t.root] += t.GBps;
    }
    for (std::size_t l = 0; l < load.size(); ++l) {
        if (load[l] > f.links[l].GBps * (1 + 1e-9)) { c.wrong = "link " + std::to_string(l) + " is overfull"; }
    }
    for (const auto& [root, GBps] : of_root) {
        if (blink::is_rooted(p.kind) && root != p.root) { c.wrong = "a tree of another root"; }
        if (blink::is_sharded(p.kind) && !(std::abs(GBps * p.ranks - c.GBps) <= 1e-9 * c.GBps)) {
            c.wrong = "unequal shards";
        }
    }
    return c;
}

/// A machine whose switches give out what they take in: full-duplex wires, or closed walks of one-way wires. `odd`
/// capacities share no unit.
inline blink::topology random_machine(int gpus, int switches, bool one_way, bool odd, unsigned seed) {
    std::mt19937 dice(seed);
    const auto below = [&](int n) { return static_cast<int>(dice() % static_cast<unsigned>(n)); };
    const auto GBps = [&] { return odd ? 1 + below(4001) / 97.0 : 10.0 * (1 + below(3)); };
    std::vector<blink::vertex_kind> kinds(static_cast<std::size_t>(switches), blink::vertex_kind::nvswitch);
    blink::topology box("random " + std::to_string(seed), gpus, kinds);
    const int vertices = gpus + switches;
    if (!one_way) {
        for (int v = 1; v < vertices; ++v) { box.connect({v, below(v), GBps(), 1}); }
        for (int i = 0; i < vertices; ++i) {
            const int u = below(vertices);
            const int v = below(vertices);
            if (u != v) { box.connect({u, v, GBps(), 1}); }
        }
        return box;
    }
    std::vector<int> walk(static_cast<std::size_t>(vertices));
    for (int v = 0; v < vertices; ++v) { walk[static_cast<std::size_t>(v)] = v; }
    for (int i = 0; i < 3; ++i) {
        std::shuffle(walk.begin(), walk.end(), dice);
        const double width = GBps();
        // The first walk visits all, the others some.
        const std::size_t length = i == 0 ? walk.size() : 2 + static_cast<std::size_t>(below(vertices - 1));
        for (std::size_t k = 0; k < length; ++k) { box.add_link({walk[k], walk[(k + 1) % length], width, 1}); }
    }
    for (int i = 0; i < gpus; ++i) { // ranks need not be balanced
        const int u = below(gpus);
        const int v = below(gpus);
        if (u != v) { box.add_link({u, v, GBps(), 1}); }
    }
    return box;
}

} // namespace oracle
