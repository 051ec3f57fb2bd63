// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Forests: trees from every rank that share the links fairly, for allgather and reduce-scatter.
///
/// Four ways, the simplest that keeps the promised rate: a star a root, whole trees where every hop has links of its
/// own, a few equal trees where hops share links, and the exact linear programme for what is left. Larger machines do
/// without the last, and may then fall short of the slack.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/even_trees.hpp>
#include <blink/packing/forest_graph.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/linear.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rails.hpp>
#include <blink/packing/rooting.hpp>
#include <blink/packing/whole_forest.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// More trees than this are avoided where it costs no more than the slack: an executor has few lanes.
inline constexpr int many_trees = 32;
/// Whole trees a root that are tried at most; the bound of any fragment of a DGX-1 needs no more.
inline constexpr int most_each = 16;
/// Machines up to this size get the linear programme.
inline constexpr int linear_ranks = 16;

using forest = std::vector<rooted_tree>;

[[nodiscard]] inline double rate_of(const forest& trees) {
    double sum = 0;
    for (const rooted_tree& t : trees) { sum += t.GBps; }
    return sum;
}

/// Joins equal trees, drops what is next to nothing and makes the roots carry exactly the same.
[[nodiscard]] inline forest levelled(const forest& trees, int ranks) {
    const double little = rate_of(trees) * 1e-9;
    forest joined;
    for (const rooted_tree& t : trees) {
        if (t.hops.empty()) { continue; }
        const auto same = std::find_if(joined.begin(), joined.end(), [&](const rooted_tree& other) {
            return other.root == t.root && other.hops == t.hops;
        });
        if (same != joined.end()) {
            same->GBps += t.GBps;
        } else {
            joined.push_back(t);
        }
    }
    std::erase_if(joined, [&](const rooted_tree& t) { return t.GBps <= little; });
    std::stable_sort(joined.begin(), joined.end(),
                     [](const rooted_tree& a, const rooted_tree& b) { return a.root < b.root; });
    std::vector<double> sum(static_cast<std::size_t>(ranks), 0);
    for (const rooted_tree& t : joined) { sum[static_cast<std::size_t>(t.root)] += t.GBps; }
    const double least = *std::min_element(sum.begin(), sum.end());
    if (!(least > 0)) { return {}; }
    for (rooted_tree& t : joined) { t.GBps *= least / sum[static_cast<std::size_t>(t.root)]; }
    return joined;
}

/// A star a root, all alike; empty where some pair of ranks has no hop.
[[nodiscard]] inline forest star_forest(const hop_graph& g) {
    forest stars;
    const auto n = static_cast<std::size_t>(g.ranks);
    std::vector<int> hop(n * n, -1);
    for (std::size_t h = g.hops.size(); h-- > 0;) {
        hop[static_cast<std::size_t>(g.hops[h].parent) * n + static_cast<std::size_t>(g.hops[h].child)] =
            static_cast<int>(h);
    }
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(g.capacity.size());
    for (std::size_t r = 0; r < n; ++r) {
        rooted_tree star{static_cast<int>(r), {}, 0};
        for (std::size_t v = 0; v < n; ++v) {
            if (v == r) { continue; }
            if (hop[r * n + v] < 0) { return {}; }
            star.hops.push_back(hop[r * n + v]);
        }
        std::sort(star.hops.begin(), star.hops.end());
        for (const auto& [l, times] : g.load(star.hops)) { load[l] += times; }
        stars.push_back(std::move(star));
    }
    for (rooted_tree& t : stars) { t.GBps = 1 / (load / g.capacity).maxCoeff(); }
    return stars;
}

/// The best rates of all, by the linear programme over the copied graph, and with the fewest trees that the joint
/// graph's programme leaves at the same rate.
[[nodiscard]] inline forest linear_forest(const hop_graph& g, double bound) {
    const auto joint = [&](double rate) {
        const fractional_packing p = best_fractional_packing(with_source(g, rate / g.ranks));
        forest trees;
        for (std::size_t i = 0; i < p.trees.size(); ++i) { trees.push_back(without_source(g, p.trees[i], p.GBps[i])); }
        return levelled(trees, g.ranks);
    };
    forest few = joint(bound);
    if (rate_of(few) >= bound * (1 - 1e-8)) { return few; }
    const fractional_packing p = best_fractional_packing(with_copies(g));
    forest trees;
    for (std::size_t i = 0; i < p.trees.size(); ++i) {
        for (rooted_tree& t : without_copies(g, p.trees[i], p.GBps[i])) { trees.push_back(std::move(t)); }
    }
    trees = levelled(trees, g.ranks);
    few = joint(rate_of(trees));
    return rate_of(few) >= rate_of(trees) * (1 - 1e-7) && few.size() < trees.size() ? few : trees;
}

/// Keeps the best of the forests that are offered: not more trees than allowed, then the promised rate, then few
/// trees or, below the promise or under a limit, much rate.
class forest_choice {
  public:
    forest_choice(double target, int max_trees) : target_(target), max_trees_(max_trees) {}

    /// @return true where the search may end
    bool offer(forest trees) {
        if (trees.empty() || (max_trees_ > 0 && static_cast<int>(trees.size()) > max_trees_)) { return false; }
        const double rate = rate_of(trees);
        const bool kept = rate >= target_ * (1 - 1e-9);
        const bool had = best_rate_ >= target_ * (1 - 1e-9);
        if (kept && had ? trees.size() < best_.size() : rate > best_rate_ * (1 + 1e-9)) {
            best_ = std::move(trees);
            best_rate_ = rate;
        }
        return enough();
    }

    [[nodiscard]] bool kept() const { return best_rate_ >= target_ * (1 - 1e-9); }
    [[nodiscard]] bool enough() const { return kept() && static_cast<int>(best_.size()) <= many_trees; }
    [[nodiscard]] const forest& best() const noexcept { return best_; }

  private:
    double target_;
    int max_trees_;
    forest best_;
    double best_rate_ = 0;
};

/// The first of the ways above that keeps the slack with few enough trees, else the best of what they found.
[[nodiscard]] inline forest choose_forest(const hop_graph& g, double bound, const pack_options& options) {
    forest_choice choice(bound * (1 - options.slack), options.max_trees);
    const int fitting = options.max_trees > 0 ? options.max_trees : std::max(many_trees, g.ranks);
    if (g.direct) {
        const double low = options.max_trees > 0 ? 0 : bound * (1 - options.slack);
        const int most = options.max_trees > 0 ? std::min(most_each, 3 * fitting / g.ranks) : most_each;
        int tries_left = 4;
        for (int each = 1; each <= most && tries_left > 0; ++each) {
            if (choice.offer(levelled(whole_forest(g, each, low, bound), g.ranks))) { return choice.best(); }
            if (choice.kept()) { --tries_left; }
        }
    }
    for (int each = 1; each * g.ranks <= fitting && each <= 4; ++each) {
        if (choice.offer(levelled(even_trees(g, each), g.ranks))) { return choice.best(); }
    }
    if (g.ranks <= linear_ranks && !choice.kept()) { choice.offer(linear_forest(g, bound)); }
    return choice.best();
}

[[nodiscard]] inline std::vector<packed_tree> hung_forest(const hop_graph& g, const forest& trees) {
    std::vector<packed_tree> hung;
    for (const rooted_tree& t : trees) { hung.push_back(hang(g, t.hops, t.root, t.GBps)); }
    return hung;
}

} // namespace detail

/// Trees of all roots that need no search: a star a root, or trees along the rails of equal boxes.
/// @param g of `make_shard_graph(f, ...)`
/// @return empty where they fall short of `target` GB/s
[[nodiscard]] inline std::vector<packed_tree> ready_made_forest(const fabric& f, const hop_graph& g, double target) {
    const detail::forest stars = detail::star_forest(g);
    if (detail::rate_of(stars) >= target * (1 - 1e-9)) {
        return detail::hung_forest(g, detail::levelled(stars, g.ranks));
    }
    std::vector<packed_tree> trees = rail_forest(g, equal_boxes(f));
    if (total_rate(trees) < target * (1 - 1e-9)) { trees.clear(); }
    return trees;
}

/// Trees of all roots on the hops of `g`, the roots in ascending order, each root with the same sum of rates.
/// @param bound of `forest_bound`
/// @return empty where some root cannot span the ranks, or not with `options.max_trees` trees
[[nodiscard]] inline std::vector<packed_tree> searched_forest(const hop_graph& g, double bound,
                                                              const pack_options& options) {
    return detail::hung_forest(g, detail::choose_forest(g, bound, options));
}

} // namespace blink
