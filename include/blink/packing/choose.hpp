// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From candidates to the trees of a packing: as few as reach the wanted rate, on the coarsest grid of shares that
/// allows it, none deeper than need be.
#pragma once

#include <blink/packing/candidates.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/exact.hpp>
#include <blink/packing/fewest.hpp>
#include <blink/packing/flatten.hpp>
#include <blink/packing/grid.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/linear.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

/// What is asked of the choice.
struct tree_wish {
    double GBps = 0;           ///< reach this rate
    double unit = 0;           ///< rate of a whole lane, GB/s
    std::vector<int> divisors; ///< of the lane, tried in this order
    int max_trees = 0;         ///< 0: no limit
};

namespace detail {

/// Arborescences up to this depth are preferred, even where fewer but deeper ones would do: deeper than half of the
/// ranks is a chain rather than a tree. Undirected trees, hung up at their centre, never are.
[[nodiscard]] inline int preferred_depth(int ranks) { return ranks / 2 + 1; }

[[nodiscard]] inline int depth_of(const hop_graph& g, const hop_tree& tree) {
    std::vector<int> busy(static_cast<std::size_t>(g.ranks), 0);
    return depth(hang(g, tree, 1, busy), g.ranks);
}

/// Equal trees become one.
[[nodiscard]] inline std::vector<chosen_tree> merged(std::vector<chosen_tree> trees) {
    std::vector<chosen_tree> distinct;
    for (chosen_tree& t : trees) {
        const auto same =
            std::find_if(distinct.begin(), distinct.end(), [&](const chosen_tree& d) { return d.hops == t.hops; });
        if (same == distinct.end()) {
            distinct.push_back(std::move(t));
        } else {
            same->rate += t.rate;
        }
    }
    return distinct;
}

[[nodiscard]] inline std::vector<chosen_tree> scaled(std::vector<chosen_tree> trees, double factor) {
    for (chosen_tree& t : trees) { t.rate *= factor; }
    return trees;
}

[[nodiscard]] inline double total(const std::vector<chosen_tree>& trees) {
    double sum = 0;
    for (const chosen_tree& t : trees) { sum += t.rate; }
    return sum;
}

} // namespace detail

/// The 0/1 programme over arborescences: `units` trees of one unit each. The first candidate that leaves enough for
/// the rest is taken, and where none does, one is made that does.
/// @param pool in the order of preference
/// @param room of each link in units, whole numbers, enough for `units`
[[nodiscard]] inline std::vector<chosen_tree> unit_trees(const hop_graph& g, const std::vector<candidate_tree>& pool,
                                                         Eigen::ArrayXd room, int units) {
    lookahead ahead(g);
    std::vector<chosen_tree> trees;
    for (int rest = units - 1; rest >= 0; --rest) {
        bool found = false;
        for (const candidate_tree& c : pool) {
            if (c.fit(room) < 1 - 1e-9) { continue; }
            c.take(room, 1);
            if (ahead.carries(room, rest)) {
                trees.push_back({c.hops, 1});
                found = true;
                break;
            }
            c.take(room, -1);
        }
        if (found) { continue; }
        hop_tree grown = grow_arborescence(g, room, rest);
        if (grown.empty()) { return {}; }
        trees.push_back({std::move(grown), 1});
    }
    return trees;
}

/// Chooses trees for one hop graph.
class tree_choice {
  public:
    tree_choice(const hop_graph& g, const candidate_pool& pool, tree_wish wish)
        : graph_(&g), wish_(std::move(wish)), limit_(g.directed() ? detail::preferred_depth(g.ranks) : g.ranks) {
        std::vector<std::pair<int, std::size_t>> order;
        for (std::size_t i = 0; i < pool.trees().size(); ++i) {
            order.emplace_back(detail::depth_of(g, pool.trees()[i].hops), i);
        }
        std::sort(order.begin(), order.end());
        for (const auto& [d, i] : order) {
            all_.push_back(pool.trees()[i]);
            if (d <= limit_) { flat_.push_back(all_.back()); }
        }
    }

    /// @return trees with rates in GB/s; below the wish where the links or `max_trees` do not allow it
    [[nodiscard]] std::vector<chosen_tree> choose() const {
        std::vector<chosen_tree> best;
        // A short look on every grid first: most machines need no more, and a finer grid is cheaper than a long search.
        // Where hops share links nothing tells beforehand which grid can do, so no long search is spent there.
        const std::vector<int> efforts =
            graph_->direct ? std::vector<int>{short_search, long_search} : std::vector<int>{shared_search};
        for (const int effort : efforts) {
            for (const int divisor : wish_.divisors) {
                if (best.empty()) { best = on_grid(divisor, effort); }
            }
        }
        if (best.empty()) { best = off_grid(); }
        if (wish_.max_trees > 0 && static_cast<int>(best.size()) > wish_.max_trees) { best = capped(std::move(best)); }
        return flatten(*graph_, detail::merged(std::move(best)));
    }

  private:
    static constexpr int most_trees = 12;
    static constexpr int short_search = 24'000; ///< candidates looked at, for each number of trees
    static constexpr int shared_search = 2'000;
    static constexpr int long_search = 100'000;

    [[nodiscard]] Eigen::ArrayXd shares(int divisor) const {
        return (graph_->capacity * (divisor / wish_.unit) + 1e-9).floor();
    }

    /// The fewest trees at multiples of 1/divisor lanes; empty where they fall short or were not found.
    [[nodiscard]] std::vector<chosen_tree> on_grid(int divisor, int effort) const {
        const Eigen::ArrayXd room = shares(divisor);
        const double share = wish_.unit / divisor;
        const double target = std::ceil(wish_.GBps / share - 1e-9);
        if (graph_->direct && lookahead(*graph_).limit(room) < target * (1 - 1e-9)) { return {}; }
        if (graph_->direct && graph_->directed()) {
            constexpr double most_units = 64;
            if (target > most_units) { return {}; }
            return detail::scaled(arborescences(room, target), share);
        }
        fewest_trees flat(*graph_, flat_, room, effort, limit_);
        std::vector<chosen_tree> found = flat.find_fewest(most_trees, target);
        if (found.empty() && flat_.size() < all_.size()) {
            fewest_trees any(*graph_, all_, room, effort, graph_->ranks);
            found = any.find_fewest(most_trees, target);
        }
        return detail::scaled(std::move(found), share);
    }

    /// Arborescences on direct links: there is always a choice that fills the cut, so only their number is searched.
    [[nodiscard]] std::vector<chosen_tree> arborescences(const Eigen::ArrayXd& room, double target) const {
        std::vector<chosen_tree> trees = unit_trees(*graph_, flat_, room, static_cast<int>(target));
        trees = detail::merged(std::move(trees));
        const int fewer = static_cast<int>(trees.size()) - 1;
        fewest_trees flat(*graph_, flat_, room, short_search, limit_);
        if (auto found = flat.find_fewest(fewer, target); !found.empty()) { return found; }
        return trees;
    }

    /// The best rates whatever the shares, without trees so thin that they are not needed for the wish.
    [[nodiscard]] std::vector<chosen_tree> off_grid() const {
        const fractional_packing linear = best_fractional_packing(*graph_);
        std::vector<chosen_tree> trees;
        for (std::size_t i = 0; i < linear.trees.size(); ++i) { trees.push_back({linear.trees[i], linear.GBps[i]}); }
        std::stable_sort(trees.begin(), trees.end(),
                         [](const chosen_tree& a, const chosen_tree& b) { return a.rate > b.rate; });
        double sum = detail::total(trees);
        while (trees.size() > 1 && sum - trees.back().rate >= wish_.GBps * (1 - 1e-12)) {
            sum -= trees.back().rate;
            trees.pop_back();
        }
        return trees;
    }

    /// The highest rate of `max_trees` trees that was found.
    [[nodiscard]] std::vector<chosen_tree> capped(std::vector<chosen_tree> best) const {
        std::stable_sort(best.begin(), best.end(),
                         [](const chosen_tree& a, const chosen_tree& b) { return a.rate > b.rate; });
        best.resize(static_cast<std::size_t>(wish_.max_trees));
        for (const int divisor : {1, 2, 4, 8}) {
            fewest_trees search(*graph_, all_, shares(divisor), short_search, graph_->ranks);
            auto most = detail::scaled(search.find_most(wish_.max_trees), wish_.unit / divisor);
            if (detail::total(most) > detail::total(best) * (1 + 1e-9)) { best = std::move(most); }
        }
        return best;
    }

    const hop_graph* graph_;
    tree_wish wish_;
    int limit_;                        ///< depth that is preferred
    std::vector<candidate_tree> all_;  ///< flattest first
    std::vector<candidate_tree> flat_; ///< those within the preferred depth
};

} // namespace blink
