// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Two graphs that make of trees from every rank the arborescences that one root asks for.
///
/// The joint graph has a source with a starting hop to every rank, of capacity rate/n: n arborescences that fill all
/// starting hops use one of them each, so each is a tree of the rank behind it. The copied graph has the machine once
/// for every root, all copies on the same links: an arborescence of it is a forest with one tree a root, so any
/// packing of it serves all roots alike.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

/// Trees of one graph of hops by root.
struct rooted_tree {
    int root = 0;
    hop_tree hops;
    double GBps = 0;
};

/// The hops that data of `kind` take away from a root (allgather) or, against their direction, towards one
/// (reduce-scatter), one for each hop of the fabric. The graph has no root of its own.
[[nodiscard]] inline hop_graph make_shard_graph(const fabric& f, collective kind) {
    hop_graph g{f.ranks, 0, true, Eigen::ArrayXd(static_cast<Eigen::Index>(f.links.size())), {}};
    for (std::size_t i = 0; i < f.links.size(); ++i) { g.capacity[static_cast<Eigen::Index>(i)] = f.links[i].GBps; }
    for (int i = 0; i < static_cast<int>(f.arcs.size()); ++i) {
        const arc& a = f.arcs[static_cast<std::size_t>(i)];
        if (a.from == a.to) { continue; }
        g.hops.push_back(kind == collective::reduce_scatter ? tree_hop{a.to, a.from, -1, i, a.route}
                                                            : tree_hop{a.from, a.to, i, -1, a.route});
    }
    g.direct = detail::shares_no_link(g);
    return g;
}

/// `g` with a source, numbered like one more rank. The starting hop of rank v follows the hops of `g` as number v.
[[nodiscard]] inline hop_graph with_source(const hop_graph& g, double start_GBps) {
    hop_graph joint{g.ranks + 1, g.ranks, g.direct, Eigen::ArrayXd(g.capacity.size() + g.ranks), g.hops};
    joint.capacity << g.capacity, Eigen::ArrayXd::Constant(g.ranks, start_GBps);
    for (int v = 0; v < g.ranks; ++v) {
        joint.hops.push_back({g.ranks, v, -1, -1, {static_cast<int>(g.capacity.size()) + v}});
    }
    return joint;
}

/// A copy of `g` for every root. Hop h of copy r is number r * (hops of g) + h; the starting hops come last.
[[nodiscard]] inline hop_graph with_copies(const hop_graph& g) {
    hop_graph all{g.ranks * g.ranks + 1, g.ranks * g.ranks, false, g.capacity, {}};
    for (int r = 0; r < g.ranks; ++r) {
        for (const tree_hop& h : g.hops) {
            all.hops.push_back({r * g.ranks + h.parent, r * g.ranks + h.child, h.down, h.up, h.loads});
        }
    }
    for (int r = 0; r < g.ranks; ++r) { all.hops.push_back({all.root, r * g.ranks + r, -1, -1, {}}); }
    return all;
}

/// An arborescence of the joint graph of `g` without its starting hop.
/// @return a tree without hops where it starts more than once
[[nodiscard]] inline rooted_tree without_source(const hop_graph& g, const hop_tree& tree, double GBps) {
    rooted_tree t{-1, {}, GBps};
    for (const int h : tree) {
        if (h < static_cast<int>(g.hops.size())) {
            t.hops.push_back(h);
        } else {
            t.root = h - static_cast<int>(g.hops.size());
        }
    }
    if (static_cast<int>(t.hops.size()) + 1 != g.ranks) { t.hops.clear(); }
    return t;
}

/// An arborescence of the copied graph of `g` as a tree for each root.
[[nodiscard]] inline std::vector<rooted_tree> without_copies(const hop_graph& g, const hop_tree& forest, double GBps) {
    std::vector<rooted_tree> trees;
    for (int r = 0; r < g.ranks; ++r) { trees.push_back({r, {}, GBps}); }
    const int hops = static_cast<int>(g.hops.size());
    for (const int h : forest) {
        if (h < hops * g.ranks) { trees[static_cast<std::size_t>(h / hops)].hops.push_back(h % hops); }
    }
    return trees;
}

} // namespace blink
