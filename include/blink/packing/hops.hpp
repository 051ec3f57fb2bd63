// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The hops that trees of one collective are made of, and the links that each of them loads.
///
/// This is the one place that knows the difference between the collectives: a broadcast tree loads the hop down an
/// edge, a reduce tree the hop up, an allreduce tree both. What follows packs trees of hops under link capacities.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace blink {

/// A possible tree edge. In an undirected graph it may be used from either end.
struct tree_hop {
    int parent = 0;
    int child = 0;
    int down = -1;          ///< as in `tree_edge`
    int up = -1;            ///< as in `tree_edge`
    std::vector<int> loads; ///< links that carry the tree's rate once for each mention
};

/// Spanning trees as sorted indices into `hop_graph::hops`.
using hop_tree = std::vector<int>;

/// What the packer works on.
struct hop_graph {
    int ranks = 0;
    int root = -1;           ///< of arborescences; -1 where the trees are undirected
    bool direct = true;      ///< no link serves two hops, so the hops are a graph with capacities of their own
    Eigen::ArrayXd capacity; ///< of each link, GB/s
    std::vector<tree_hop> hops;

    [[nodiscard]] bool directed() const noexcept { return root >= 0; }

    /// Rate that a hop alone can carry when the links have `room` left.
    [[nodiscard]] double width(int hop, const Eigen::ArrayXd& room) const {
        double narrowest = std::numeric_limits<double>::infinity();
        for (const int l : hops[static_cast<std::size_t>(hop)].loads) { narrowest = std::min(narrowest, room[l]); }
        return narrowest;
    }

    /// How often each link is loaded by `tree`, as (link, times) in ascending order.
    [[nodiscard]] std::vector<std::pair<int, int>> load(const hop_tree& tree) const {
        std::vector<int> links;
        for (const int h : tree) {
            const auto& l = hops[static_cast<std::size_t>(h)].loads;
            links.insert(links.end(), l.begin(), l.end());
        }
        std::sort(links.begin(), links.end());
        std::vector<std::pair<int, int>> counted;
        for (const int l : links) {
            if (counted.empty() || counted.back().first != l) { counted.emplace_back(l, 0); }
            ++counted.back().second;
        }
        return counted;
    }
};

namespace detail {

[[nodiscard]] inline bool shares_no_link(const hop_graph& g) {
    std::vector<bool> used(static_cast<std::size_t>(g.capacity.size()), false);
    for (const tree_hop& h : g.hops) {
        for (const int l : h.loads) {
            if (used[static_cast<std::size_t>(l)]) { return false; }
            used[static_cast<std::size_t>(l)] = true;
        }
    }
    return true;
}

/// True where the hops lead from the root to every rank (directed), or join all ranks.
[[nodiscard]] inline bool spans(const hop_graph& g) {
    const auto ranks = static_cast<std::size_t>(g.ranks);
    std::vector<std::vector<int>> next(ranks);
    for (const tree_hop& h : g.hops) {
        next[static_cast<std::size_t>(h.parent)].push_back(h.child);
        if (!g.directed()) { next[static_cast<std::size_t>(h.child)].push_back(h.parent); }
    }
    std::vector<int> reached{std::max(g.root, 0)};
    std::vector<bool> seen(ranks, false);
    seen[static_cast<std::size_t>(reached.front())] = true;
    for (std::size_t i = 0; i < reached.size(); ++i) {
        for (const int v : next[static_cast<std::size_t>(reached[i])]) {
            if (seen[static_cast<std::size_t>(v)]) { continue; }
            seen[static_cast<std::size_t>(v)] = true;
            reached.push_back(v);
        }
    }
    return reached.size() == ranks;
}

} // namespace detail

/// The hops of `f` as tree edges of `kind`. For an allreduce the hops between two ranks are paired, widest with
/// widest; one that has no partner the other way is of no use.
[[nodiscard]] inline hop_graph make_hop_graph(const fabric& f, collective kind, int root) {
    hop_graph g{
        f.ranks, is_rooted(kind) ? root : -1, true, Eigen::ArrayXd(static_cast<Eigen::Index>(f.links.size())), {}};
    for (std::size_t i = 0; i < f.links.size(); ++i) { g.capacity[static_cast<Eigen::Index>(i)] = f.links[i].GBps; }
    const int arcs = static_cast<int>(f.arcs.size());
    const auto arc_at = [&](int i) -> const arc& { return f.arcs[static_cast<std::size_t>(i)]; };
    if (g.directed()) {
        for (int i = 0; i < arcs; ++i) {
            const arc& a = arc_at(i);
            tree_hop h = kind == collective::reduce ? tree_hop{a.to, a.from, -1, i, a.route}
                                                    : tree_hop{a.from, a.to, i, -1, a.route};
            if (h.child != root && h.child != h.parent) { g.hops.push_back(std::move(h)); }
        }
    } else {
        const auto ranks = static_cast<std::size_t>(f.ranks);
        std::vector<std::vector<int>> by_ends(ranks * ranks);
        for (int i = 0; i < arcs; ++i) {
            by_ends[static_cast<std::size_t>(arc_at(i).from) * ranks + static_cast<std::size_t>(arc_at(i).to)]
                .push_back(i);
        }
        const auto between = [&](int from, int to) -> const std::vector<int>& {
            auto& found = by_ends[static_cast<std::size_t>(from) * ranks + static_cast<std::size_t>(to)];
            std::stable_sort(found.begin(), found.end(),
                             [&](int a, int b) { return hop_GBps(f, arc_at(a)) > hop_GBps(f, arc_at(b)); });
            return found;
        };
        for (int u = 0; u < f.ranks; ++u) {
            for (int v = u + 1; v < f.ranks; ++v) {
                const std::vector<int>& down = between(u, v);
                const std::vector<int>& up = between(v, u);
                for (std::size_t i = 0; i < std::min(down.size(), up.size()); ++i) {
                    tree_hop h{u, v, down[i], up[i], arc_at(down[i]).route};
                    h.loads.insert(h.loads.end(), arc_at(up[i]).route.begin(), arc_at(up[i]).route.end());
                    g.hops.push_back(std::move(h));
                }
            }
        }
    }
    g.direct = detail::shares_no_link(g);
    return g;
}

} // namespace blink
