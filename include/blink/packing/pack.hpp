// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// TreeGen: from the hops of a fabric to few trees that carry what the wires allow.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/bound.hpp>
#include <blink/packing/candidates.hpp>
#include <blink/packing/check.hpp>
#include <blink/packing/choose.hpp>
#include <blink/packing/forest.hpp>
#include <blink/packing/grid.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/linear.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/one_hop.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rails.hpp>
#include <blink/packing/rooting.hpp>
#include <blink/packing/split_packing.hpp>
#include <blink/packing/undirected_split.hpp>
#include <blink/packing/weights.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// Graphs with no more spanning trees than this have all of them as candidates.
inline constexpr double few_trees = 400;

inline void check_request(const fabric& f, collective kind, int root, const pack_options& options) {
    const std::string what(to_string(kind));
    if (is_rooted(kind) && (root < 0 || root >= f.ranks)) {
        throw usage_error(what + ": root " + std::to_string(root) + " is none of the ranks 0.." +
                          std::to_string(f.ranks - 1));
    }
    if (!(options.slack >= 0 && options.slack < 1)) {
        throw usage_error(what + ": slack " + std::to_string(options.slack) + " is not in [0, 1)");
    }
    if (!(options.epsilon >= 0.01 && options.epsilon <= 0.5)) {
        throw usage_error(what + ": epsilon " + std::to_string(options.epsilon) + " is not in [0.01, 0.5]");
    }
    if (options.max_trees < 0) {
        throw usage_error(what + ": " + std::to_string(options.max_trees) + " trees at most makes no sense");
    }
    if (is_sharded(kind) && options.max_trees > 0 && options.max_trees < f.ranks) {
        throw usage_error(what + ": " + std::to_string(options.max_trees) + " trees at most are too few; each of the " +
                          std::to_string(f.ranks) + " ranks needs one of its own");
    }
}

/// Trees that need no search, where they do: one-hop trees at the bound, else trees along the rails of equal boxes
/// within the slack of it.
[[nodiscard]] inline std::vector<packed_tree> ready_made(const fabric& f, const hop_graph& g, const certificate& limit,
                                                         const pack_options& options) {
    const auto kept = [&](const std::vector<packed_tree>& trees, double rate) {
        const bool many = options.max_trees > 0 && static_cast<int>(trees.size()) > options.max_trees;
        return !trees.empty() && !many && total_rate(trees) >= rate * (1 - 1e-9);
    };
    std::vector<packed_tree> trees = one_hop_trees(g);
    if (kept(trees, limit.GBps)) { return trees; }
    const double target = limit.GBps * (1 - options.slack);
    const rank_boxes boxes = equal_boxes(f);
    trees = g.directed() ? rail_trees_from_root(g, boxes, limit.GBps) : rail_forest(g, boxes);
    if (kept(trees, target)) { return trees; }
    return {};
}

/// Weights, candidates, choice.
[[nodiscard]] inline std::vector<packed_tree> general_packing(const fabric& f, const hop_graph& g,
                                                              const pack_options& options, packing& p) {
    candidate_pool pool(g);
    fractional_packing linear;
    if (!g.direct) { linear = best_fractional_packing(g); }
    const double reachable = g.direct ? lookahead(g).limit(g.capacity) : linear.total;
    const weighted_trees weighted = multiplicative_weights(g, options.epsilon, reachable);
    p.weights = weighted.report;
    for (const hop_tree& t : weighted.trees) { pool.add(t); }
    for (const hop_tree& t : linear.trees) { pool.add(t); }
    if (count_trees(g) <= few_trees + 0.5) {
        for (const hop_tree& t : every_tree(g)) { pool.add(t); }
    } else if (!g.directed() && g.direct) {
        for (const hop_tree& t : best_fractional_packing(g).trees) { pool.add(t); }
    }
    const bool partition = !g.directed() && joins_ranks_only(f);
    const tree_choice choice(g, pool,
                             {(1 - options.slack) * std::min(reachable, p.bound.GBps), lane_unit(f, g),
                              share_divisors(p.bound, partition), options.max_trees});
    std::vector<packed_tree> trees;
    std::vector<int> busy(static_cast<std::size_t>(g.ranks), 0);
    for (const chosen_tree& t : choice.choose()) { trees.push_back(hang(g, t.hops, t.rate, busy)); }
    return trees;
}

/// Two ranks share the work of an allreduce: each is the root of half of every hop's rate.
[[nodiscard]] inline std::vector<packed_tree> halved(const hop_graph& g, const std::vector<packed_tree>& trees) {
    std::vector<packed_tree> both;
    for (const packed_tree& t : trees) {
        for (std::size_t h = 0; h < g.hops.size(); ++h) {
            const tree_edge& e = t.edges.front();
            if (g.hops[h].down != e.down && g.hops[h].down != e.up) { continue; }
            both.push_back(hang(g, {static_cast<int>(h)}, 0, t.GBps / 2));
            both.push_back(hang(g, {static_cast<int>(h)}, 1, t.GBps / 2));
        }
    }
    return both;
}

/// Undirected trees past the switches of full-duplex machines.
[[nodiscard]] inline routed_trees switchless_packing(const fabric& f, const packing& p, const pack_options& options) {
    const switchless left = without_switches(f);
    if (left.strands.empty()) { return {}; }
    const hop_graph g = make_hop_graph(left.wires, p.kind, 0);
    if (!spans(g)) { return {}; }
    packing own = p;
    return on_machine(general_packing(left.wires, g, options, own), left, f);
}

/// Keeps the best of the packings that are offered: the first that reaches the target, else the highest rate.
class best_trees {
  public:
    best_trees(double target, int max_trees, std::vector<arc>* more)
        : target_(target * (1 - 1e-9)), max_trees_(max_trees), more_(more) {}

    /// @param more arcs that the trees need beside those of the fabric
    /// @return true where the target is reached
    bool offer(std::vector<packed_tree> trees, std::vector<arc> more = {}) {
        const bool many = max_trees_ > 0 && static_cast<int>(trees.size()) > max_trees_;
        const bool off_road = !more.empty() && more_ == nullptr;
        if (!many && !off_road && !reached() && total_rate(trees) > total_rate(trees_) * (1 + 1e-9)) {
            trees_ = std::move(trees);
            if (more_ != nullptr) { *more_ = std::move(more); }
        }
        return reached();
    }

    bool offer(routed_trees found) { return offer(std::move(found.trees), std::move(found.more)); }

    [[nodiscard]] bool reached() const { return !trees_.empty() && total_rate(trees_) >= target_; }
    [[nodiscard]] bool empty() const noexcept { return trees_.empty(); }
    [[nodiscard]] std::vector<packed_tree> take() && { return std::move(trees_); }

  private:
    double target_;
    int max_trees_;
    std::vector<arc>* more_;
    std::vector<packed_tree> trees_;
};

/// Trees of every rank.
[[nodiscard]] inline std::vector<packed_tree> shard_trees(const fabric& f, const packing& p,
                                                          const pack_options& options, std::vector<arc>* more) {
    const hop_graph g = make_shard_graph(f, p.kind);
    const double target = p.bound.GBps * (1 - options.slack);
    best_trees best(target, options.max_trees, more);
    if (best.offer(ready_made_forest(f, g, target))) { return std::move(best).take(); }
    if (!g.direct && best.offer(split_packing(f, p.kind, 0, p.bound.GBps, options))) { return std::move(best).take(); }
    if (best.offer(searched_forest(g, p.bound.GBps, options)) || !g.direct) { return std::move(best).take(); }
    best.offer(split_packing(f, p.kind, 0, p.bound.GBps, options));
    return std::move(best).take();
}

/// Trees of one root, or undirected ones.
[[nodiscard]] inline std::vector<packed_tree> tree_set(const fabric& f, const hop_graph& g, packing& p,
                                                       const pack_options& options, std::vector<arc>* more) {
    constexpr int searched_first = 8; // up to so many ranks the search takes no longer, and finds fewer trees
    constexpr int searched = 32;
    constexpr int split_at_most = 32; // vertices: each join of two wires costs maximum flows for every rank
    const double target = p.bound.GBps * (1 - options.slack);
    best_trees best(target, options.max_trees, more);
    if (best.offer(ready_made(f, g, p.bound, options))) { return std::move(best).take(); }
    const auto search = [&] {
        std::vector<packed_tree> trees = general_packing(f, g, options, p);
        if (f.ranks == 2 && !g.directed() && options.max_trees != 1) { trees = halved(g, trees); }
        return best.offer(std::move(trees));
    };
    const bool first = g.direct || (!g.directed() && f.ranks <= searched_first);
    if (first && search()) { return std::move(best).take(); }
    if (best.offer(g.directed() ? split_packing(f, p.kind, p.root, p.bound.GBps, options)
                                : split_allreduce(f, target, options))) {
        return std::move(best).take();
    }
    const bool undirected =
        !g.directed() && more != nullptr && !joins_ranks_only(f) && f.ranks > 2 && f.vertices <= split_at_most;
    if (undirected && best.offer(switchless_packing(f, p, options))) { return std::move(best).take(); }
    if (!first && (f.ranks <= searched || best.empty())) { search(); }
    return std::move(best).take();
}

/// Bound and trees, which nobody has checked yet.
/// @param more takes arcs that the trees need and `f` lacks; null where there may be none
[[nodiscard]] inline packing unchecked_packing(const fabric& f, collective kind, int root, const pack_options& options,
                                               std::vector<arc>* more) {
    check_request(f, kind, root, options);
    packing p{kind, f.ranks, is_rooted(kind) ? root : 0, {}, 0, {}, {}};
    if (f.ranks == 1) { return p; }
    const std::string what(to_string(kind));
    if (is_sharded(kind)) {
        p.bound = bound(f, kind, root);
        if (p.bound.GBps > 0) { p.trees = shard_trees(f, p, options, more); }
        if (!p.trees.empty()) { return p; }
        throw plan_error(what + ": some of the " + std::to_string(f.ranks) +
                         " ranks have no tree of hops that spans the others");
    }
    const hop_graph g = make_hop_graph(f, kind, root);
    if (!spans(g)) {
        throw plan_error(what + ": no tree of hops" +
                         (g.directed() ? " from root " + std::to_string(root) : " that lead both ways") +
                         " spans the " + std::to_string(f.ranks) + " ranks");
    }
    p.bound = bound(f, kind, root);
    p.trees = tree_set(f, g, p, options, more);
    return p;
}

/// The packing with its rate, once it has passed `check`.
[[nodiscard]] inline packing finished(packing p, const fabric& f) {
    p.GBps = total_rate(p.trees);
    if (f.ranks > 1) { check(p, f); }
    return p;
}

} // namespace detail

/// Packs trees for `kind` on the hops of `f`.
/// @param root rank that a broadcast comes from or a reduce goes to; ignored by the others
/// @return a packing that has passed `check`. A single rank needs no tree: its packing is empty, rate and bound are 0.
///         `weights` is empty where the multiplicative weights were not asked
/// @throw usage_error for a root that is no rank, options out of range, or fewer trees than roots
/// @throw plan_error where no tree spans the ranks
[[nodiscard]] inline packing pack(const fabric& f, collective kind, int root, const pack_options& options = {}) {
    return detail::finished(detail::unchecked_packing(f, kind, root, options, nullptr), f);
}

/// The same over any routes: between two ranks there may be more ways through the switches than the one hop of `f`.
/// Hops over such routes are added to `f.arcs` where trees need them.
[[nodiscard]] inline packing pack_on_any_route(fabric& f, collective kind, int root, const pack_options& options = {}) {
    std::vector<arc> more;
    packing p = detail::unchecked_packing(f, kind, root, options, &more);
    f.arcs.insert(f.arcs.end(), more.begin(), more.end());
    return detail::finished(std::move(p), f);
}

} // namespace blink
