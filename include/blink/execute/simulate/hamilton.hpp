// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Hamiltonian cycles and paths over the hops of a fabric that share no lane of a link: what rings and chains run on.
#pragma once

#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace blink::detail {

/// The wires of one sort, counted in lanes, that orders of the ranks can take and give back.
class lane_graph {
  public:
    lane_graph(const fabric& f, bool pcie) : f_(&f), ranks_(f.ranks) {
        const auto n = static_cast<std::size_t>(ranks_);
        hops_.assign(n * n, -1);
        for (std::size_t a = 0; a < f.arcs.size(); ++a) {
            const auto& route = f.arcs[a].route;
            const bool fits =
                std::ranges::all_of(route, [&](int l) { return (wire(l).kind == link_kind::pcie) == pcie; });
            int& known = hops_[at(f.arcs[a].from, f.arcs[a].to)];
            if (fits && known < 0) { known = static_cast<int>(a); }
        }
        for (const link& l : f.links) { free_.push_back((l.kind == link_kind::pcie) == pcie ? l.lanes : 0); }
    }

    [[nodiscard]] int ranks() const noexcept { return ranks_; }
    [[nodiscard]] const fabric& graph() const noexcept { return *f_; }
    [[nodiscard]] const link& wire(int l) const { return f_->links[static_cast<std::size_t>(l)]; }
    [[nodiscard]] std::span<const int> free() const noexcept { return free_; }

    /// Index of the hop, -1 where there is none.
    [[nodiscard]] int hop(int from, int to) const { return hops_[at(from, to)]; }

    /// Takes a lane of every link on the hop, or nothing.
    bool take(int from, int to) {
        const int h = hop(from, to);
        if (h < 0) { return false; }
        const auto& route = f_->arcs[static_cast<std::size_t>(h)].route;
        if (std::ranges::any_of(route, [&](int l) { return free_[static_cast<std::size_t>(l)] < 1; })) { return false; }
        for (const int l : route) { --free_[static_cast<std::size_t>(l)]; }
        return true;
    }
    void give_back(int from, int to) {
        for (const int l : f_->arcs[static_cast<std::size_t>(hop(from, to))].route) {
            ++free_[static_cast<std::size_t>(l)];
        }
    }

    /// The same in both directions.
    bool take_both(int a, int b) {
        if (!take(a, b)) { return false; }
        if (take(b, a)) { return true; }
        give_back(a, b);
        return false;
    }
    void give_back_both(int a, int b) {
        give_back(a, b);
        give_back(b, a);
    }

    /// Takes as if there were lanes without end.
    void make_endless() { std::ranges::fill(free_, std::numeric_limits<int>::max() / 2); }

  private:
    [[nodiscard]] std::size_t at(int from, int to) const {
        return static_cast<std::size_t>(from) * static_cast<std::size_t>(ranks_) + static_cast<std::size_t>(to);
    }

    const fabric* f_;
    int ranks_;
    std::vector<int> hops_; ///< by from, to
    std::vector<int> free_; ///< lanes, by link
};

using rank_order = std::vector<int>;

/// A cycle leads back to its first rank; both directions of every hop are taken, or only the forward one.
struct order_kind {
    bool closed = true;
    bool both = true;
};

/// Depth-first search for orders of all ranks, lowest ranks first.
class order_search {
  public:
    order_search(lane_graph& g, order_kind kind, std::size_t most_steps) : g_(g), kind_(kind), budget_(most_steps) {}

    /// Calls `visit(order)` for each order that the free lanes allow, once for both of its directions where both are
    /// taken, until `visit` returns false.
    template <class Visit>
    void run(Visit visit) {
        const int starts = kind_.closed ? 1 : g_.ranks();
        used_.assign(static_cast<std::size_t>(g_.ranks()), false);
        for (int s = 0; s < starts && !stopped_; ++s) {
            order_ = {s};
            used_[static_cast<std::size_t>(s)] = true;
            extend(visit);
            used_[static_cast<std::size_t>(s)] = false;
        }
    }

  private:
    bool take(int a, int b) { return kind_.both ? g_.take_both(a, b) : g_.take(a, b); }
    void give_back(int a, int b) { kind_.both ? g_.give_back_both(a, b) : g_.give_back(a, b); }

    template <class Visit>
    void extend(Visit& visit) {
        if (budget_ == 0) {
            stopped_ = true;
            return;
        }
        --budget_;
        const int last = order_.back();
        if (static_cast<int>(order_.size()) == g_.ranks()) {
            const int mirror = kind_.closed ? order_[1] : order_[0];
            if (kind_.both && mirror > last) { return; }
            if (kind_.closed && !take(last, order_[0])) { return; }
            stopped_ = !visit(std::as_const(order_));
            if (kind_.closed) { give_back(last, order_[0]); }
            return;
        }
        for (int next = 0; next < g_.ranks() && !stopped_; ++next) {
            if (used_[static_cast<std::size_t>(next)] || !take(last, next)) { continue; }
            used_[static_cast<std::size_t>(next)] = true;
            order_.push_back(next);
            extend(visit);
            order_.pop_back();
            used_[static_cast<std::size_t>(next)] = false;
            give_back(last, next);
        }
    }

    lane_graph& g_;
    order_kind kind_;
    std::size_t budget_;
    rank_order order_;
    std::vector<bool> used_;
    bool stopped_ = false;
};

/// Takes the lanes of a whole order, or nothing.
inline bool take_order(lane_graph& g, const rank_order& order, order_kind kind) {
    const std::size_t hops = order.size() - (kind.closed ? 0 : 1);
    const auto next = [&](std::size_t i) { return order[(i + 1) % order.size()]; };
    for (std::size_t i = 0; i < hops; ++i) {
        if (kind.both ? g.take_both(order[i], next(i)) : g.take(order[i], next(i))) { continue; }
        while (i-- > 0) { kind.both ? g.give_back_both(order[i], next(i)) : g.give_back(order[i], next(i)); }
        return false;
    }
    return true;
}

inline void give_back_order(lane_graph& g, const rank_order& order, order_kind kind) {
    const std::size_t hops = order.size() - (kind.closed ? 0 : 1);
    for (std::size_t i = 0; i < hops; ++i) {
        const int next = order[(i + 1) % order.size()];
        kind.both ? g.give_back_both(order[i], next) : g.give_back(order[i], next);
    }
}

} // namespace blink::detail
