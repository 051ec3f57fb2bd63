// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Does a packing keep what it promises? Every packing passes here before it leaves the planner.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/packing.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace blink {

namespace detail {

[[noreturn]] inline void broken(const packing& p, const std::string& where, const std::string& what) {
    throw plan_error(std::string(to_string(p.kind)) + " among " + std::to_string(p.ranks) + " ranks: " + where +
                     (where.empty() ? "" : ": ") + what);
}

/// The hop `index` leads from `from` to `to`, and its direction is one that the collective uses.
inline void check_arc(const packing& p, const fabric& f, const std::string& where, int index, bool needed, int from,
                      int to, std::string_view direction) {
    const std::string hop = std::to_string(from) + " -> " + std::to_string(to);
    if (!needed) {
        if (index != -1) {
            broken(p, where, "the edge " + hop + " names a hop " + std::string(direction) + " that no data use");
        }
        return;
    }
    if (index < 0 || index >= static_cast<int>(f.arcs.size())) {
        broken(p, where, "the edge " + hop + " has no hop " + std::string(direction));
    }
    const arc& a = f.arcs[static_cast<std::size_t>(index)];
    if (a.from != from || a.to != to) {
        broken(p, where,
               "the hop " + std::string(direction) + " of the edge " + hop + " leads " + std::to_string(a.from) +
                   " -> " + std::to_string(a.to));
    }
}

inline void check_tree(const packing& p, const fabric& f, std::size_t index, Eigen::ArrayXd& load) {
    const packed_tree& t = p.trees[index];
    const std::string where = "tree " + std::to_string(index);
    if (!(t.GBps > 0) || !std::isfinite(t.GBps)) {
        broken(p, where, "its rate is " + std::to_string(t.GBps) + " GB/s");
    }
    if (t.root < 0 || t.root >= p.ranks) { broken(p, where, "its root " + std::to_string(t.root) + " is no rank"); }
    if (is_rooted(p.kind) && t.root != p.root) {
        broken(p, where, "its root is " + std::to_string(t.root) + ", not " + std::to_string(p.root));
    }
    std::vector<bool> reached(static_cast<std::size_t>(p.ranks), false);
    reached[static_cast<std::size_t>(t.root)] = true;
    for (const tree_edge& e : t.edges) {
        const std::string edge = std::to_string(e.parent) + " -> " + std::to_string(e.child);
        if (e.parent < 0 || e.parent >= p.ranks || e.child < 0 || e.child >= p.ranks) {
            broken(p, where, "the edge " + edge + " names a rank that is not there");
        }
        if (!reached[static_cast<std::size_t>(e.parent)]) {
            broken(p, where, "the edge " + edge + " stands before its parent is reached");
        }
        if (reached[static_cast<std::size_t>(e.child)]) {
            broken(p, where, "the edge " + edge + " reaches a rank twice");
        }
        reached[static_cast<std::size_t>(e.child)] = true;
        check_arc(p, f, where, e.down, hands_on(p.kind), e.parent, e.child, "down");
        check_arc(p, f, where, e.up, reduces(p.kind), e.child, e.parent, "up");
        for (const int hop : {e.down, e.up}) {
            if (hop == -1) { continue; }
            for (const int l : f.arcs[static_cast<std::size_t>(hop)].route) { load[l] += t.GBps; }
        }
    }
    for (int v = 0; v < p.ranks; ++v) {
        if (!reached[static_cast<std::size_t>(v)]) { broken(p, where, "it does not reach rank " + std::to_string(v)); }
    }
}

/// Every rank owns as much of the data as any other.
inline void check_shards(const packing& p) {
    std::vector<double> sum(static_cast<std::size_t>(p.ranks), 0);
    for (const packed_tree& t : p.trees) { sum[static_cast<std::size_t>(t.root)] += t.GBps; }
    for (int r = 0; r < p.ranks; ++r) {
        const double rate = sum[static_cast<std::size_t>(r)];
        if (!(std::abs(rate * p.ranks - p.GBps) <= 1e-12 * p.GBps)) {
            broken(p, "rank " + std::to_string(r),
                   "its trees carry " + std::to_string(rate) + " GB/s, its shard asks for " +
                       std::to_string(p.GBps / p.ranks));
        }
    }
}

} // namespace detail

/// Trees span the ranks and match the hops, no link carries more than it can, the rate is the sum of the trees' rates
/// and not above the bound (all to 1e-9). Where every rank owns a shard, the trees of each root carry the same (1e-12).
/// @throw plan_error naming the tree, link or rank that breaks the promise
inline void check(const packing& p, const fabric& f) {
    constexpr double tolerance = 1e-9;
    if (p.ranks != f.ranks) { detail::broken(p, "", "the fabric has " + std::to_string(f.ranks)); }
    if (p.ranks > 1 && p.trees.empty()) { detail::broken(p, "", "there is no tree"); }
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(static_cast<Eigen::Index>(f.links.size()));
    double sum = 0;
    for (std::size_t i = 0; i < p.trees.size(); ++i) {
        detail::check_tree(p, f, i, load);
        sum += p.trees[i].GBps;
    }
    for (std::size_t i = 0; i < f.links.size(); ++i) {
        const link& l = f.links[i];
        const double carried = load[static_cast<Eigen::Index>(i)];
        if (carried > l.GBps * (1 + tolerance)) {
            detail::broken(
                p, "link " + std::to_string(i) + " (" + std::to_string(l.from) + " -> " + std::to_string(l.to) + ")",
                "the trees load it with " + std::to_string(carried) + " GB/s, it carries " + std::to_string(l.GBps));
        }
    }
    if (!(std::abs(sum - p.GBps) <= tolerance * std::max(sum, p.GBps))) {
        detail::broken(p, "",
                       "the trees carry " + std::to_string(sum) + " GB/s, promised are " + std::to_string(p.GBps));
    }
    if (is_sharded(p.kind) && p.ranks > 1) { detail::check_shards(p); }
    if (!(p.GBps <= p.bound.GBps * (1 + tolerance))) {
        detail::broken(p, "", std::to_string(p.GBps) + " GB/s is above the bound of " + std::to_string(p.bound.GBps));
    }
}

} // namespace blink
