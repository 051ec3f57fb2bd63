// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Over which ranks each transfer of an exchange goes: straight where there is a hop, else over others.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/exchange.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace blink {

namespace detail {

/// Gives transfers their ways one by one and remembers what the links have to carry.
class way_finder {
  public:
    template <class Usable>
    way_finder(const fabric& f, const Usable& usable)
        : fabric_(f), load_(f.links.size(), 0.0), hops_(static_cast<std::size_t>(f.ranks)) {
        for (std::size_t a = 0; a < f.arcs.size(); ++a) {
            if (usable(f.arcs[a].from, f.arcs[a].to)) { hops_[static_cast<std::size_t>(f.arcs[a].from)].push_back(a); }
        }
    }

    /// Among the ways of fewest hops one whose busiest link is the least busy; each rank's part of it is chosen when
    /// the rank is reached, so the choice is greedy. Empty where there is no way.
    [[nodiscard]] std::vector<int> find(const transfer& t) {
        std::vector<reached> seen(hops_.size());
        seen[static_cast<std::size_t>(t.from)].hops = 0;
        std::vector<int> layer{t.from};
        for (int hops = 1; !layer.empty() && seen[static_cast<std::size_t>(t.to)].hops < 0; ++hops) {
            std::vector<int> next;
            for (const int v : layer) {
                for (const std::size_t a : hops_[static_cast<std::size_t>(v)]) {
                    const int to = fabric_.arcs[a].to;
                    reached& there = seen[static_cast<std::size_t>(to)];
                    if (there.hops >= 0 && there.hops < hops) { continue; }
                    const double load = std::max(seen[static_cast<std::size_t>(v)].load, load_with(a, t.count));
                    if (there.hops < 0) { next.push_back(to); }
                    if (there.hops < 0 || load < there.load) { there = {hops, load, a}; }
                }
            }
            layer = std::move(next);
        }
        if (seen[static_cast<std::size_t>(t.to)].hops < 0) { return {}; }
        std::vector<int> way{t.to};
        while (way.back() != t.from) {
            const arc& a = fabric_.arcs[seen[static_cast<std::size_t>(way.back())].by];
            for (const int l : a.route) { load_[static_cast<std::size_t>(l)] += seconds(l, t.count); }
            way.push_back(a.from);
        }
        std::reverse(way.begin(), way.end());
        return way;
    }

  private:
    struct reached {
        int hops = -1;
        double load = 0;
        std::size_t by = 0; ///< the last hop
    };

    [[nodiscard]] double seconds(int link, std::size_t count) const {
        return static_cast<double>(count) / fabric_.links[static_cast<std::size_t>(link)].GBps;
    }
    [[nodiscard]] double load_with(std::size_t a, std::size_t count) const {
        double most = 0;
        for (const int l : fabric_.arcs[a].route) {
            most = std::max(most, load_[static_cast<std::size_t>(l)] + seconds(l, count));
        }
        return most;
    }

    const fabric& fabric_;
    std::vector<double> load_; ///< by link, in elements for each GB/s
    std::vector<std::vector<std::size_t>> hops_;
};

} // namespace detail

/// The ranks that each transfer passes, source and destination included; a rank's transfer to itself passes that rank
/// alone. Straight transfers are placed first, then the others one by one in their order, each where links have least
/// to carry so far.
/// @param usable `usable(from, to)`: whether the hop may be taken
/// @throw plan_error naming ranks that cannot reach each other
template <class Usable>
[[nodiscard]] std::vector<std::vector<int>> exchange_routes(const exchange& e, const fabric& f, const Usable& usable) {
    detail::way_finder finder(f, usable);
    const auto is_straight = [&](const transfer& t) {
        for (const arc& a : f.arcs) {
            if (a.from == t.from && a.to == t.to && usable(a.from, a.to)) { return true; }
        }
        return false;
    };
    std::vector<std::vector<int>> routes(e.transfers.size());
    for (const bool straight : {true, false}) {
        for (std::size_t i = 0; i < e.transfers.size(); ++i) {
            const transfer& t = e.transfers[i];
            if (t.from == t.to) {
                routes[i] = {t.from};
            } else if (is_straight(t) == straight) {
                routes[i] = finder.find(t);
                if (routes[i].empty()) {
                    throw plan_error(e.name + ": rank " + std::to_string(t.from) + " cannot reach rank " +
                                     std::to_string(t.to) + " over the links that may be used");
                }
            }
        }
    }
    return routes;
}

/// The same ways for ranks that do not see each other's buffers: each destination is passed once more, so that it
/// forwards to itself what others have stored into its slots.
[[nodiscard]] inline std::vector<std::vector<int>> staged_routes(std::vector<std::vector<int>> routes) {
    for (std::vector<int>& route : routes) {
        if (route.size() > 1) { route.push_back(route.back()); }
    }
    return routes;
}

} // namespace blink
