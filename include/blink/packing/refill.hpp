// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Keeps the trees of an old packing that still fit, and packs what is missing into the room that they leave.
///
/// What the room beside some trees still carries is known exactly (by cuts and partitions on direct links, else by the
/// linear programme), so a tree that stands in the way of the wanted rate is found before anything is packed.
#pragma once

#include <blink/packing/bound.hpp>
#include <blink/packing/candidates.hpp>
#include <blink/packing/choose.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/fewest.hpp>
#include <blink/packing/flatten.hpp>
#include <blink/packing/grid.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/linear.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/pack.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rooting.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

/// A packing some of whose trees were there before.
struct refilled_packing {
    blink::packing packing;
    std::vector<int> origin; ///< for each tree its number among the old ones, or -1
};

namespace detail {

/// Trees that stay, and the room beside them.
class kept_trees {
  public:
    kept_trees(const fabric& f, collective kind, int root)
        : fabric_(&f), kind_(kind), graph_(make_hop_graph(f, kind, root)), room_(graph_.capacity) {}

    /// Keeps a tree at its rate, or at what is left for it.
    void add(packed_tree tree, int origin) {
        const std::vector<double> times = load_of(tree);
        double rate = tree.GBps;
        for (std::size_t l = 0; l < times.size(); ++l) {
            if (times[l] > 0) { rate = std::min(rate, room_[static_cast<Eigen::Index>(l)] / times[l]); }
        }
        if (rate < tree.GBps * 1e-6) { return; }
        if (rate < tree.GBps * (1 - 1e-9)) { tree.GBps = rate; } // else only rounding is missing
        take(tree, 1);
        trees_.push_back(std::move(tree));
        origins_.push_back(origin);
    }

    /// What all trees carry with the best use of the room beside them.
    [[nodiscard]] double reachable() { return rate() + limit(); }

    [[nodiscard]] double rate() const {
        double sum = 0;
        for (const packed_tree& t : trees_) { sum += t.GBps; }
        return sum;
    }

    /// Gives up the tree without which most can be reached; of equal ones the last.
    void drop_one() {
        std::size_t worst = 0;
        double most = -1;
        for (std::size_t i = 0; i < trees_.size(); ++i) {
            take(trees_[i], -1);
            const double without = rate() - trees_[i].GBps + limit();
            take(trees_[i], 1);
            if (without >= most * (1 - 1e-9)) {
                most = std::max(most, without);
                worst = i;
            }
        }
        take(trees_[worst], -1);
        trees_.erase(trees_.begin() + static_cast<std::ptrdiff_t>(worst));
        origins_.erase(origins_.begin() + static_cast<std::ptrdiff_t>(worst));
    }

    /// Packs at least `missing` into the room.
    void fill(double missing, const pack_options& options, weights_report& report) {
        std::vector<int> arc_of;
        const fabric rest = open_fabric(arc_of);
        const int root = std::max(graph_.root, 0);
        std::vector<packed_tree> trees;
        if (graph_.directed() && graph_.direct) {
            pack_options how = options;
            how.max_trees = 0;
            how.slack = std::clamp(1 - missing / limit(), 0.0, 0.999);
            packing p = pack(rest, kind_, root, how);
            report = p.weights;
            trees = std::move(p.trees);
        } else {
            const hop_graph g = make_hop_graph(rest, kind_, root);
            std::vector<int> busy(static_cast<std::size_t>(g.ranks), 0);
            for (const chosen_tree& t : quick_choice(g, missing)) { trees.push_back(hang(g, t.hops, t.rate, busy)); }
        }
        for (packed_tree& t : trees) {
            for (tree_edge& e : t.edges) {
                for (int* hop : {&e.down, &e.up}) {
                    if (*hop != -1) { *hop = arc_of[static_cast<std::size_t>(*hop)]; }
                }
            }
            const auto same = std::find_if(trees_.begin(), trees_.end(), [&](const packed_tree& old) {
                return old.root == t.root && old.edges == t.edges;
            });
            if (same != trees_.end()) {
                same->GBps += t.GBps;
            } else {
                trees_.push_back(std::move(t));
                origins_.push_back(-1);
            }
        }
    }

    [[nodiscard]] bool empty() const noexcept { return trees_.empty(); }
    [[nodiscard]] std::vector<packed_tree>& trees() noexcept { return trees_; }
    [[nodiscard]] std::vector<int>& origins() noexcept { return origins_; }

  private:
    [[nodiscard]] std::vector<double> load_of(const packed_tree& t) const {
        std::vector<double> times(fabric_->links.size(), 0);
        for (const tree_edge& e : t.edges) {
            for (const int hop : {e.down, e.up}) {
                if (hop == -1) { continue; }
                for (const int l : fabric_->arcs[static_cast<std::size_t>(hop)].route) {
                    times[static_cast<std::size_t>(l)] += 1;
                }
            }
        }
        return times;
    }

    void take(const packed_tree& t, double sign) {
        const std::vector<double> times = load_of(t);
        for (std::size_t l = 0; l < times.size(); ++l) {
            room_[static_cast<Eigen::Index>(l)] -= sign * times[l] * t.GBps;
        }
    }

    /// Few trees that carry `missing`, after a short search only: those of the linear programme on a grid of shares, or
    /// as they are without those that are not needed.
    [[nodiscard]] std::vector<chosen_tree> quick_choice(const hop_graph& g, double missing) const {
        constexpr int looks = 1000;
        constexpr int most_trees = 8;
        const fractional_packing linear = best_fractional_packing(g);
        candidate_pool pool(g);
        for (const hop_tree& t : linear.trees) { pool.add(t); }
        const double unit = lane_unit(*fabric_, graph_);
        std::vector<chosen_tree> trees;
        for (const int divisor : {1, 2, 4, 8}) {
            const double share = unit / divisor;
            fewest_trees search(g, pool.trees(), (g.capacity / share + 1e-9).floor(), looks, g.ranks);
            trees = scaled(search.find_fewest(most_trees, std::ceil(missing / share - 1e-9)), share);
            if (!trees.empty()) { break; }
        }
        if (trees.empty()) {
            for (std::size_t i = 0; i < linear.trees.size(); ++i) {
                trees.push_back({linear.trees[i], linear.GBps[i]});
            }
            std::stable_sort(trees.begin(), trees.end(),
                             [](const chosen_tree& a, const chosen_tree& b) { return a.rate > b.rate; });
            double sum = total(trees);
            while (trees.size() > 1 && sum - trees.back().rate >= missing) {
                sum -= trees.back().rate;
                trees.pop_back();
            }
        }
        return flatten(g, merged(std::move(trees)));
    }

    [[nodiscard]] Eigen::ArrayXd open_room() const {
        return (room_ > 1e-7 * graph_.capacity).select(room_, Eigen::ArrayXd::Zero(room_.size()));
    }

    /// The best rate of any packing into the room.
    [[nodiscard]] double limit() const {
        if (graph_.direct) { return lookahead(graph_).limit(open_room()); }
        std::vector<int> arc_of;
        const fabric rest = open_fabric(arc_of);
        if (rest.arcs.empty()) { return 0; }
        return best_fractional_packing(make_hop_graph(rest, kind_, std::max(graph_.root, 0))).total;
    }

    /// The hops that have room, over links with what is left; `arc_of` gives their numbers in the whole fabric.
    [[nodiscard]] fabric open_fabric(std::vector<int>& arc_of) const {
        const Eigen::ArrayXd room = open_room();
        fabric rest{fabric_->ranks, fabric_->vertices, {}, {}};
        std::vector<int> number(fabric_->links.size(), -1);
        for (std::size_t l = 0; l < number.size(); ++l) {
            const double left = room[static_cast<Eigen::Index>(l)];
            if (!(left > 0)) { continue; }
            number[l] = static_cast<int>(rest.links.size());
            const link& whole = fabric_->links[l];
            rest.links.push_back(whole);
            rest.links.back().GBps = left;
            rest.links.back().lanes = std::max(1, static_cast<int>(std::lround(left / whole.GBps * whole.lanes)));
        }
        for (std::size_t i = 0; i < fabric_->arcs.size(); ++i) {
            arc a = fabric_->arcs[i];
            for (int& l : a.route) { l = number[static_cast<std::size_t>(l)]; }
            if (std::find(a.route.begin(), a.route.end(), -1) != a.route.end()) { continue; }
            rest.arcs.push_back(std::move(a));
            arc_of.push_back(static_cast<int>(i));
        }
        return rest;
    }

    const fabric* fabric_;
    collective kind_;
    hop_graph graph_;
    Eigen::ArrayXd room_;
    std::vector<packed_tree> trees_;
    std::vector<int> origins_;
};

} // namespace detail

/// Packs `kind` on `f` with as many of the trees `old` as leave room for the best rate less the slack. Not for sharded
/// collectives.
/// @param old trees over hops of `f`, those first that should rather stay; their rates are taken as far as they fit
/// @return a packing that has passed `check`
/// @throw as `pack`
[[nodiscard]] inline refilled_packing refill(const fabric& f, collective kind, int root,
                                             const std::vector<packed_tree>& old, const pack_options& options = {}) {
    detail::check_request(f, kind, root, options);
    refilled_packing result{{kind, f.ranks, is_rooted(kind) ? root : 0, {}, 0, bound(f, kind, root), {}}, {}};
    detail::kept_trees kept(f, kind, root);
    const double target = std::min(result.packing.bound.GBps, kept.reachable()) * (1 - options.slack);
    for (std::size_t i = 0; i < old.size(); ++i) { kept.add(old[i], static_cast<int>(i)); }
    while (!kept.empty() && kept.reachable() < target * (1 - 1e-9)) { kept.drop_one(); }
    if (const double missing = target - kept.rate(); missing > 1e-9 * target) {
        kept.fill(missing, options, result.packing.weights);
    }
    result.packing.trees = std::move(kept.trees());
    result.origin = std::move(kept.origins());
    result.packing = detail::finished(std::move(result.packing), f);
    return result;
}

} // namespace blink
