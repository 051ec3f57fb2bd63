// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// As many lane-disjoint rings or chains as the wires hold, with the rate of each.
#pragma once

#include <blink/execute/simulate/hamilton.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace blink::detail {

/// A ring (in the direction of the order) or a chain (in both) and the GB/s of its slowest hop.
struct rated_order {
    rank_order order;
    double GBps = 0;
    int lanes = 0; ///< how many whole lanes wide; 0 where it is alone and shares links with itself
};

/// Branch and bound over all orders of at most `exact_ranks` ranks; for more ranks, one after the other.
class disjoint_orders {
  public:
    static constexpr int exact_ranks = 8;

    /// The most orders of `kind` that fit; repeated ones stand side by side.
    static std::vector<rank_order> pack(lane_graph& g, order_kind kind) {
        disjoint_orders search(g, kind);
        if (g.ranks() > exact_ranks) { return search.one_by_one(); }
        order_search(g, kind, enumeration_budget).run([&](const rank_order& order) {
            search.candidates_.push_back(order);
            return true;
        });
        search.branch(0);
        for (const rank_order& order : search.best_) { take_order(g, order, kind); }
        return search.best_;
    }

    /// Repeats the first order that the free lanes allow until there is none.
    static std::vector<rank_order> pack_greedily(lane_graph& g, order_kind kind) {
        return disjoint_orders(g, kind).one_by_one();
    }

  private:
    static constexpr std::size_t enumeration_budget = 1'000'000;
    static constexpr std::size_t branching_budget = 20'000;
    static constexpr std::size_t greedy_budget = 100'000;

    disjoint_orders(lane_graph& g, order_kind kind) : g_(g), kind_(kind) {}

    std::vector<rank_order> one_by_one() {
        std::vector<rank_order> all;
        while (true) {
            rank_order found;
            order_search(g_, kind_, greedy_budget).run([&](const rank_order& order) {
                found = order;
                return false;
            });
            if (found.empty()) { return all; }
            while (take_order(g_, found, kind_)) { all.push_back(found); }
        }
    }

    /// No more than this many orders fit into the free lanes: each leaves every rank, twice where both directions
    /// of a ring are taken.
    [[nodiscard]] std::size_t bound() const {
        std::vector<int> leaving(static_cast<std::size_t>(g_.ranks()), 0);
        int all = 0;
        const auto& f = g_.graph();
        for (std::size_t l = 0; l < f.links.size(); ++l) {
            all += g_.free()[l];
            if (f.links[l].from < g_.ranks()) { leaving[static_cast<std::size_t>(f.links[l].from)] += g_.free()[l]; }
        }
        const int hops = (g_.ranks() - (kind_.closed ? 0 : 1)) * (kind_.both ? 2 : 1);
        const int at_each = kind_.closed && kind_.both ? 2 : 1;
        return static_cast<std::size_t>(std::min(all / hops, *std::ranges::min_element(leaving) / at_each));
    }

    void branch(std::size_t first) {
        if (chosen_.size() > best_.size()) { best_ = chosen_; }
        for (std::size_t i = first; i < candidates_.size(); ++i) {
            if (budget_ == 0 || chosen_.size() + bound() <= best_.size()) { return; }
            --budget_;
            if (!take_order(g_, candidates_[i], kind_)) { continue; }
            chosen_.push_back(candidates_[i]);
            branch(i);
            chosen_.pop_back();
            give_back_order(g_, candidates_[i], kind_);
        }
    }

    lane_graph& g_;
    order_kind kind_;
    std::vector<rank_order> candidates_;
    std::vector<rank_order> chosen_;
    std::vector<rank_order> best_;
    std::size_t budget_ = branching_budget;
};

/// GB/s of an order that has `lanes` lanes of each link that it crosses, times as often as it crosses it; with 0
/// lanes, of one that has the links to itself.
[[nodiscard]] inline double order_GBps(const lane_graph& g, const rank_order& order, order_kind kind, int lanes) {
    std::vector<int> crossings(g.graph().links.size(), 0);
    const auto cross = [&](int from, int to) {
        for (const int l : g.graph().arcs[static_cast<std::size_t>(g.hop(from, to))].route) {
            ++crossings[static_cast<std::size_t>(l)];
        }
    };
    for (std::size_t i = 0; i < order.size() - (kind.closed ? 0 : 1); ++i) {
        cross(order[i], order[(i + 1) % order.size()]);
        if (kind.both) { cross(order[(i + 1) % order.size()], order[i]); }
    }
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t l = 0; l < crossings.size(); ++l) {
        const link& wire = g.graph().links[l];
        if (crossings[l] > 0) {
            least = std::min(least, lanes > 0 ? wire.GBps / wire.lanes * lanes : wire.GBps / crossings[l]);
        }
    }
    return least;
}

/// Directed rings (`closed`), or chains used in both directions, over NVLink and network (`pcie` false) or PCIe.
/// Equal ones are joined. Where no whole lanes are left for one, the first that the hops allow shares its links
/// with itself. Empty where the hops allow none.
[[nodiscard]] inline std::vector<rated_order> find_orders(const fabric& f, bool closed, bool pcie) {
    lane_graph g(f, pcie);
    const order_kind pair{closed, true};
    const order_kind single{closed, !closed};
    std::vector<rank_order> found = disjoint_orders::pack(g, pair);
    if (closed) {
        const std::size_t pairs = found.size();
        for (std::size_t i = 0; i < pairs; ++i) { found.emplace_back(found[i].rbegin(), found[i].rend()); }
        for (rank_order& order : disjoint_orders::pack_greedily(g, single)) { found.push_back(std::move(order)); }
        for (rank_order& order : found) { std::rotate(order.begin(), std::ranges::find(order, 0), order.end()); }
    }
    std::ranges::sort(found);
    std::vector<rated_order> result;
    for (rank_order& order : found) {
        if (result.empty() || result.back().order != order) { result.push_back({std::move(order), 0, 0}); }
        ++result.back().lanes;
    }
    if (result.empty()) {
        g.make_endless();
        constexpr std::size_t most_steps = 1'000'000;
        order_search(g, single, most_steps).run([&](const rank_order& order) {
            result.push_back({order, 0, 0});
            return false;
        });
    }
    for (rated_order& r : result) { r.GBps = order_GBps(g, r.order, single, r.lanes); }
    return result;
}

} // namespace blink::detail
