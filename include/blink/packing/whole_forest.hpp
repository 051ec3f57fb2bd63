// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The same number of whole trees for every root, exactly: Edmonds' theorem for many roots at once.
///
/// With rates counted in a unit, k trees a root exist as soon as every rank can receive n*k units from a source that
/// has k units for every rank (Edmonds 1973; used for allgather by ForestColl, Zhao et al. 2024). So the largest unit
/// with that property is looked up first, and then the trees grow one by one without ever going back.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/exact.hpp>
#include <blink/packing/forest_graph.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/lookahead.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// What the links of the joint graph carry, in whole units, with `each` units for every starting hop.
[[nodiscard]] inline Eigen::ArrayXd whole_room(const hop_graph& joint, double unit, int each) {
    Eigen::ArrayXd room = (joint.capacity / unit + 1e-9).floor();
    room.tail(joint.ranks - 1).setConstant(each);
    return room;
}

/// The largest rate in [low, high] at which `each` whole trees a root fit; 0 where there is none.
[[nodiscard]] inline double whole_rate(const hop_graph& joint, int each, double low, double high) {
    const int ranks = joint.ranks - 1;
    const int units = ranks * each;
    std::vector<double> rates;
    for (std::size_t h = 0; h + static_cast<std::size_t>(ranks) < joint.hops.size(); ++h) {
        for (const int l : joint.hops[h].loads) {
            for (int m = 1; m <= units; ++m) {
                const double rate = joint.capacity[l] / m * units;
                if (rate >= low * (1 - 1e-9) && rate <= high * (1 + 1e-9)) { rates.push_back(rate); }
            }
        }
    }
    std::sort(rates.begin(), rates.end(), std::greater<>());
    rates.erase(std::unique(rates.begin(), rates.end(), [](double a, double b) { return b > a * (1 - 1e-12); }),
                rates.end());
    lookahead ahead(joint);
    const auto fits = std::partition_point(rates.begin(), rates.end(), [&](double rate) {
        return !ahead.carries(whole_room(joint, rate / units, each), units);
    });
    return fits == rates.end() ? 0 : *fits;
}

/// Grows the trees that `whole_rate` promises, the roots in turn, each tree as thick as it may be.
[[nodiscard]] inline std::vector<rooted_tree> whole_trees(const hop_graph& g, const hop_graph& joint, int each,
                                                          double rate) {
    const int units = g.ranks * each;
    Eigen::ArrayXd room = whole_room(joint, rate / units, each);
    std::vector<int> left(static_cast<std::size_t>(g.ranks), each);
    std::vector<rooted_tree> trees;
    lookahead ahead(joint);
    for (int rest = units, r = 0; rest > 0; r = (r + 1) % g.ranks) {
        int& mine = left[static_cast<std::size_t>(r)];
        if (mine == 0) { continue; }
        const hop_tree tree = grow_arborescence(joint, room, --rest, static_cast<int>(g.hops.size()) + r);
        if (tree.empty()) { return {}; }
        int thick = 1;
        for (--mine; mine > 0; --mine, --rest, ++thick) {
            Eigen::ArrayXd less = room;
            for (const auto& [l, times] : joint.load(tree)) { less[l] -= times; }
            if (less.minCoeff() < -1e-9 || !ahead.carries(less, rest - 1)) { break; }
            room = std::move(less);
        }
        rooted_tree t = without_source(g, tree, thick * rate / units);
        const auto same = std::find_if(trees.begin(), trees.end(), [&](const rooted_tree& other) {
            return other.root == t.root && other.hops == t.hops;
        });
        if (same != trees.end()) {
            same->GBps += t.GBps;
        } else {
            trees.push_back(std::move(t));
        }
    }
    return trees;
}

} // namespace detail

/// `each` whole trees a root at the best rate in [low, high]; equal trees are one thicker tree.
/// @param g of `make_shard_graph`, direct
/// @return empty where that many trees do not reach `low`
[[nodiscard]] inline std::vector<rooted_tree> whole_forest(const hop_graph& g, int each, double low, double high) {
    const hop_graph joint = with_source(g, 1);
    const double rate = detail::whole_rate(joint, each, low, high);
    if (!(rate > 0)) { return {}; }
    return detail::whole_trees(g, joint, each, rate);
}

} // namespace blink
