// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// TreeGen: from the hops of a fabric to few trees that carry what the wires allow.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/arborescence.hpp>
#include <blink/packing/bound.hpp>
#include <blink/packing/check.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rooting.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// Packs trees for `kind` on `f`.
/// @param root rank that a broadcast comes from or a reduce goes to; ignored by the others
/// @return a packing that has passed `check`. A single rank needs no tree: its packing is empty, rate and bound are 0
/// @throw usage_error for a root that is no rank
/// @throw plan_error where no tree spans the ranks, or for a collective that is not planned yet
[[nodiscard]] inline packing pack(const fabric& f, collective kind, int root, const pack_options& options = {}) {
    if (kind == collective::allgather || kind == collective::reduce_scatter) {
        throw plan_error(std::string(to_string(kind)) + " is not planned yet");
    }
    if (is_rooted(kind) && (root < 0 || root >= f.ranks)) {
        throw usage_error(std::string(to_string(kind)) + ": root " + std::to_string(root) +
                          " is none of the ranks 0.." + std::to_string(f.ranks - 1));
    }
    packing p{kind, f.ranks, is_rooted(kind) ? root : 0, {}, 0, {}, {}};
    if (f.ranks == 1) { return p; }
    p.bound = bound(f, kind, root);
    const hop_graph g = make_hop_graph(f, kind, root);
    cheapest_tree cheapest(g);
    Eigen::ArrayXd room = g.capacity;
    std::vector<double> cost(g.hops.size());
    std::vector<int> busy(static_cast<std::size_t>(f.ranks), 0);
    while (p.GBps < p.bound.GBps * (1 - options.slack)) {
        for (std::size_t h = 0; h < cost.size(); ++h) {
            const int hop = static_cast<int>(h);
            const double width = g.width(hop, room);
            cost[h] = std::numeric_limits<double>::infinity();
            if (width > 1e-6 * g.width(hop, g.capacity)) {
                cost[h] = 0;
                for (const int l : g.hops[h].loads) { cost[h] += 1 / room[l]; }
            }
        }
        const hop_tree& tree = cheapest.find(cost);
        if (tree.empty()) { break; }
        double rate = std::numeric_limits<double>::infinity();
        const auto load = g.load(tree);
        for (const auto& [l, times] : load) { rate = std::min(rate, room[l] / times); }
        for (const auto& [l, times] : load) { room[l] -= rate * times; }
        p.trees.push_back(hang(g, tree, rate, busy));
        p.GBps += rate;
    }
    if (p.trees.empty()) {
        throw plan_error(std::string(to_string(kind)) + ": no tree of hops spans the " + std::to_string(f.ranks) +
                         " ranks");
    }
    check(p, f);
    return p;
}

} // namespace blink
