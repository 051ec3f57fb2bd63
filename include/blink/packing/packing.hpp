// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The result of TreeGen: weighted spanning trees that fill the links, with the bound that no plan can beat.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/topology/fabric.hpp>

#include <string>
#include <vector>

namespace blink {

/// One hop of a tree, pointing away from the root.
struct tree_edge {
    int parent = 0;
    int child = 0;
    int down = -1; ///< index into `fabric::arcs` of the hop parent -> child; -1 where data only flow up
    int up = -1;   ///< index of the hop child -> parent; -1 where data only flow down

    friend bool operator==(const tree_edge&, const tree_edge&) = default;
};

/// A spanning tree and the rate at which data flow over it. Edges stand in an order in which each parent is the
/// root or a child of an earlier edge.
struct packed_tree {
    int root = 0;
    double GBps = 0;
    std::vector<tree_edge> edges;

    friend bool operator==(const packed_tree&, const packed_tree&) = default;
};

/// Longest way from the root, in hops.
[[nodiscard]] inline int depth(const packed_tree& t, int ranks) {
    std::vector<int> level(static_cast<std::size_t>(ranks), 0);
    int deepest = 0;
    for (const tree_edge& e : t.edges) {
        level[static_cast<std::size_t>(e.child)] = level[static_cast<std::size_t>(e.parent)] + 1;
        deepest = std::max(deepest, level[static_cast<std::size_t>(e.child)]);
    }
    return deepest;
}

/// What the trees carry together, GB/s.
[[nodiscard]] inline double total_rate(const std::vector<packed_tree>& trees) {
    double sum = 0;
    for (const packed_tree& t : trees) { sum += t.GBps; }
    return sum;
}

/// No plan is faster than `GBps`, because of what crosses between these groups of ranks.
struct certificate {
    double GBps = 0;
    std::vector<std::vector<int>> parts; ///< a cut (two parts, the root in the first) or a partition of the ranks

    friend bool operator==(const certificate&, const certificate&) = default;
};

/// What the multiplicative weights alone reached, before the trees were made few.
struct weights_report {
    double epsilon = 0;
    int iterations = 0;
    int candidates = 0; ///< distinct trees
    double GBps = 0;

    friend bool operator==(const weights_report&, const weights_report&) = default;
};

/// Trees for one collective. Broadcast and allgather: data flow down; reduce and reduce-scatter: up; allreduce: up and
/// down each tree. An allgather and a reduce-scatter have trees of every root, which carry the same for each.
struct packing {
    collective kind = collective::allreduce;
    int ranks = 0;
    int root = 0; ///< of a rooted collective
    std::vector<packed_tree> trees;
    double GBps = 0; ///< sum of the trees' rates; the larger buffer moves at it
    certificate bound;
    weights_report weights;

    friend bool operator==(const packing&, const packing&) = default;
};

/// The dial between rate and simplicity.
struct pack_options {
    double slack = 0.05;  ///< share of the bound that may be given up for fewer and flatter trees
    int max_trees = 0;    ///< 0: as many as the slack asks for
    double epsilon = 0.1; ///< step of the multiplicative weights
};

} // namespace blink
