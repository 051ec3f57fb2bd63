// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Exact packings for machines with switches, one root or all: whole units, switches paired off, trees grown one by
/// one. They reach the bound wherever every switch takes in what it gives out.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/exact.hpp>
#include <blink/packing/forest_bound.hpp>
#include <blink/packing/free_roots.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rooting.hpp>
#include <blink/packing/switch_splitting.hpp>
#include <blink/packing/whole_units.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// The arcs of a fabric by what they are, and those that it lacks.
class arc_finder {
  public:
    explicit arc_finder(const fabric& f) : next_(static_cast<int>(f.arcs.size())) {
        for (int i = next_ - 1; i >= 0; --i) {
            const arc& a = f.arcs[static_cast<std::size_t>(i)];
            known_[{a.from, a.to, a.route}] = i;
        }
    }

    [[nodiscard]] int index(const arc& a) {
        const auto [entry, fresh] = known_.try_emplace({a.from, a.to, a.route}, next_);
        if (fresh) {
            ++next_;
            more_.push_back(a);
        }
        return entry->second;
    }

    /// Arcs that are numbered on from those of the fabric.
    [[nodiscard]] std::vector<arc> more() && { return std::move(more_); }

  private:
    std::map<std::tuple<int, int, std::vector<int>>, int> known_;
    int next_;
    std::vector<arc> more_;
};

/// The links that lead the other way with the same capacity; -1 for a link that has none.
[[nodiscard]] inline std::vector<int> opposite_links(const fabric& f) {
    std::vector<int> opposite(f.links.size(), -1);
    std::map<std::tuple<int, int, double>, std::vector<int>> waiting;
    for (int i = 0; i < static_cast<int>(f.links.size()); ++i) {
        const link& l = f.links[static_cast<std::size_t>(i)];
        auto& partners = waiting[{l.to, l.from, l.GBps}];
        if (partners.empty()) {
            waiting[{l.from, l.to, l.GBps}].push_back(i);
            continue;
        }
        opposite[static_cast<std::size_t>(i)] = partners.front();
        opposite[static_cast<std::size_t>(partners.front())] = i;
        partners.erase(partners.begin());
    }
    return opposite;
}

/// A tree with a whole number of units.
struct unit_tree {
    int root = 0;
    double units = 0;
    hop_tree hops;
};

/// The hops as a graph of the ranks, links of their own beneath. Where every rank is a root, the graph has one more
/// rank that all trees start from.
[[nodiscard]] inline hop_graph unit_graph(const std::vector<split_hop>& hops, const unit_demand& demand, int ranks) {
    const bool sharded = demand.root >= ranks;
    hop_graph g{ranks + (sharded ? 1 : 0),
                sharded ? ranks : demand.root,
                true,
                Eigen::ArrayXd(static_cast<Eigen::Index>(hops.size())),
                {}};
    for (std::size_t i = 0; i < hops.size(); ++i) {
        g.capacity[static_cast<Eigen::Index>(i)] = hops[i].units;
        const int parent = hops[i].from == demand.root ? g.root : hops[i].from;
        g.hops.push_back({parent, hops[i].to, -1, -1, {static_cast<int>(i)}});
    }
    return g;
}

/// Grows the trees of a unit graph one by one, the roots in turn.
class unit_grower {
  public:
    unit_grower(const hop_graph& g, const unit_demand& demand, int ranks)
        : graph_(&g), ahead_(g), room_(g.capacity), rest_(demand.trees), start_(at(ranks), -1), left_(at(ranks), 0) {
        const bool sharded = g.ranks > ranks;
        for (int h = 0; sharded && h < static_cast<int>(g.hops.size()); ++h) {
            const tree_hop& hop = g.hops[at(h)];
            if (hop.parent != g.root) { continue; }
            start_[at(hop.child)] = h;
            left_[at(hop.child)] = hop_units(h);
        }
        if (!sharded) { left_[at(g.root)] = demand.trees; }
        amount_ = left_;
    }

    [[nodiscard]] std::vector<unit_tree> run() && {
        while (rest_ > 0) {
            for (int r = 0; r < static_cast<int>(left_.size()); ++r) {
                if (left_[at(r)] > 0 && !grow(r)) { return {}; }
            }
        }
        return std::move(trees_);
    }

  private:
    [[nodiscard]] static std::size_t at(int i) noexcept { return static_cast<std::size_t>(i); }

    [[nodiscard]] double hop_units(int hop) const { return graph_->capacity[hop]; }

    /// A tree of `root` with as many units as finds one, halving until one does.
    [[nodiscard]] bool grow(int root) {
        double& left = left_[at(root)];
        double& amount = amount_[at(root)];
        amount = std::min(amount, left);
        while (true) {
            Eigen::ArrayXd trial = room_;
            hop_tree tree = grow_arborescence(*graph_, trial, rest_ - amount, start_[at(root)], amount);
            if (!tree.empty()) {
                room_ = std::move(trial);
                rest_ -= amount;
                left -= amount;
                const double extra = more_of(tree, left, amount);
                for (const int h : tree) { room_[h] -= extra; }
                rest_ -= extra;
                left -= extra;
                add(root, amount + extra, std::move(tree));
                return true;
            }
            if (amount <= 1) { return false; }
            amount = std::ceil(amount / 2);
        }
    }

    /// How many units more the tree can take, where it found few of many: the number of trees stays small even if the
    /// units are very fine.
    [[nodiscard]] double more_of(const hop_tree& tree, double left, double amount) {
        constexpr double many = 8;
        if (left <= many * amount) { return 0; }
        double most = std::min(left, rest_);
        for (const int h : tree) { most = std::min(most, room_[h]); }
        double fits = 0;
        while (fits < most) {
            const double middle = std::ceil((fits + most) / 2);
            Eigen::ArrayXd trial = room_;
            for (const int h : tree) { trial[h] -= middle; }
            if (ahead_.carries(trial, rest_ - middle)) {
                fits = middle;
            } else {
                most = middle - 1;
            }
        }
        return fits;
    }

    void add(int root, double units, hop_tree tree) {
        if (const int s = start_[at(root)]; s >= 0) { tree.erase(std::find(tree.begin(), tree.end(), s)); }
        const auto same = std::find_if(trees_.begin(), trees_.end(),
                                       [&](const unit_tree& t) { return t.root == root && t.hops == tree; });
        if (same != trees_.end()) {
            same->units += units;
        } else {
            trees_.push_back({root, units, std::move(tree)});
        }
    }

    const hop_graph* graph_;
    lookahead ahead_;
    Eigen::ArrayXd room_;
    double rest_;                ///< units that have no tree yet
    std::vector<int> start_;     ///< hop into each root where all are one; else -1
    std::vector<double> left_;   ///< units of each root that have no tree yet
    std::vector<double> amount_; ///< units that the root's last tree was grown with
    std::vector<unit_tree> trees_;
};

} // namespace detail

/// Trees whose hops may lead over other routes than those of the fabric.
struct routed_trees {
    std::vector<packed_tree> trees; ///< rates in GB/s
    std::vector<arc> more;          ///< arcs that the fabric lacks, numbered on from its own
};

namespace detail {

/// Trees for a demand. `both_ways`: each tree up and down, at half its rate.
[[nodiscard]] inline routed_trees demanded_trees(const fabric& f, collective kind, const unit_demand& demand,
                                                 bool both_ways) {
    const std::vector<int> opposite = both_ways ? opposite_links(f) : std::vector<int>{};
    if (demand.each == 0 || std::find(opposite.begin(), opposite.end(), -1) != opposite.end()) { return {}; }
    const std::vector<split_hop> hops = split_switches(demand, f);
    if (hops.empty()) { return {}; }
    hop_graph g = unit_graph(hops, demand, f.ranks);
    const std::vector<unit_tree> grown = unit_grower(g, demand, f.ranks).run();

    arc_finder arcs(f);
    std::vector<bool> used(hops.size(), false);
    for (const unit_tree& t : grown) {
        for (const int h : t.hops) { used[static_cast<std::size_t>(h)] = true; }
    }
    const bool reversed = reduces(kind) && !both_ways;
    for (std::size_t i = 0; i < hops.size(); ++i) {
        if (!used[i]) { continue; }
        const split_hop& h = hops[i];
        std::vector<int> back(h.links.rbegin(), h.links.rend());
        if (both_ways) {
            for (int& l : back) { l = opposite[static_cast<std::size_t>(l)]; }
        }
        if (!reversed) { g.hops[i].down = arcs.index({h.from, h.to, h.links}); }
        if (reversed || both_ways) { g.hops[i].up = arcs.index({h.to, h.from, std::move(back)}); }
    }
    routed_trees result;
    for (const unit_tree& t : grown) {
        result.trees.push_back(hang(g, t.hops, t.root, t.units * demand.unit / (both_ways ? 2 : 1)));
    }
    result.more = std::move(arcs).more();
    return result;
}

} // namespace detail

/// Trees of the fewest units that keep the slack.
/// @param bound GB/s
/// @return no trees where the switches do not give out what they take in
[[nodiscard]] inline routed_trees split_packing(const fabric& f, collective kind, int root, double bound,
                                                const pack_options& options) {
    return detail::demanded_trees(f, kind, choose_units(f, kind, root, bound, options), false);
}

/// Trees of an allreduce: those of an allgather, each up and down at half its rate. Where equal rates of all roots are
/// not enough, the roots share the work as the links allow.
/// @param target GB/s of the allreduce
/// @return no trees where the switches do not give out what they take in, or a link has none that leads back; below
///         the target where that is all
[[nodiscard]] inline routed_trees split_allreduce(const fabric& f, double target, const pack_options& options) {
    const double equal = forest_bound(f, collective::allgather).GBps;
    if (equal >= 2 * target * (1 - 1e-9)) {
        pack_options one_way = options;
        one_way.slack = std::max(0.0, 1 - 2 * target / equal);
        return detail::demanded_trees(f, collective::allreduce,
                                      choose_units(f, collective::allreduce, 0, equal, one_way), true);
    }
    const std::vector<double> rates = best_root_rates(f);
    const double most = std::accumulate(rates.begin(), rates.end(), 0.0);
    if (!(most > 0)) { return {}; }
    return detail::demanded_trees(f, collective::allreduce, choose_uneven_units(f, rates, std::min(2 * target, most)),
                                  true);
}

} // namespace blink
