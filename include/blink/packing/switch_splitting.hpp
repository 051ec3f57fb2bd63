// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From links through switches to hops of their own: edge splitting.
///
/// A unit into switch w and a unit out of it become one unit of a hop past it. Where w has as many units in as out,
/// all of them can be paired so that every rank still receives what it did (Mader 1982; Bang-Jensen, Frank and Jackson
/// 1995; used for switches by ForestColl, Zhao et al. 2024). A pairing of u -> w -> t by an amount lowers the cuts that
/// hold u and t but not w, or w but neither u nor t, each by that amount; so what is missing after a trial is what was
/// taken too much, and a cut that became tight forbids its pairs for good.
///
/// Whole switches are paired evenly first, which is right for most machines and takes one maximum flow a rank to
/// verify; pair by pair only where that fails.
#pragma once

#include <blink/packing/max_flow.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/whole_units.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace blink {

/// Units between two ranks on one way.
struct split_hop {
    int from = 0;
    int to = 0;
    double units = 0;
    std::vector<int> links; ///< of the demand, in the order in which trees cross them away from the root
};

namespace detail {

class switch_splitter {
  public:
    /// @param vertices of the machine, `ranks` of them ranks, and one for the root of all trees where that is none
    switch_splitter(const unit_demand& demand, int ranks, int vertices)
        : ranks_(ranks), vertices_(std::max(vertices, demand.root + 1)), root_(demand.root), trees_(demand.trees),
          network_(vertices_), units_(square(), 0), edge_(square(), -1), ways_(square()) {
        for (int i = 0; i < static_cast<int>(demand.links.size()); ++i) {
            const unit_link& l = demand.links[at(i)];
            if (!(l.units > 0) || l.from == l.to) { continue; }
            ways_[pair(l.from, l.to)].push_back({l.units, {i}});
            change(l.from, l.to, l.units);
        }
    }

    /// Pairs off every switch; false where that would cost some rank a unit.
    [[nodiscard]] bool run() {
        for (int pass = 0; pass < 4 && !balanced(); ++pass) {
            for (int w = ranks_; w < vertices_; ++w) { trim(w); }
        }
        for (int w = ranks_; w < vertices_; ++w) {
            if (w != root_ && !split(w)) { return false; }
        }
        return true;
    }

    /// What is left between ranks, and from the root.
    [[nodiscard]] std::vector<split_hop> hops() const {
        std::vector<split_hop> all;
        for (int u = 0; u < vertices_; ++u) {
            for (int v = 0; v < ranks_; ++v) {
                for (const way& w : ways_[pair(u, v)]) { all.push_back({u, v, w.units, w.links}); }
            }
        }
        return all;
    }

  private:
    struct way {
        double units;
        std::vector<int> links;
    };
    struct pairing {
        int from;
        int to;
        double units;
    };

    [[nodiscard]] static std::size_t at(int i) noexcept { return static_cast<std::size_t>(i); }
    [[nodiscard]] std::size_t square() const noexcept { return at(vertices_) * at(vertices_); }
    [[nodiscard]] std::size_t pair(int u, int v) const noexcept { return at(u) * at(vertices_) + at(v); }

    void change(int u, int v, double units) {
        if (u == v) { return; } // nobody needs what comes straight back
        const std::size_t p = pair(u, v);
        units_[p] += units;
        if (edge_[p] < 0) {
            edge_[p] = edges_++;
            network_.add(u, v, 0);
        }
        network_.set(edge_[p], units_[p]);
    }

    void apply(int w, const pairing& p, double sign) {
        change(p.from, w, -sign * p.units);
        change(w, p.to, -sign * p.units);
        change(p.from, p.to, sign * p.units);
    }

    /// How many units the rank lacks that falls short most; stops looking once `enough` are missing.
    [[nodiscard]] double missing(double enough) {
        double most = 0;
        for (int i = -1; i < ranks_; ++i) {
            const int v = i < 0 ? suspect_ : i;
            if (v == root_) { continue; }
            const double lack = trees_ - network_.solve(root_, v, trees_);
            if (lack <= most) { continue; }
            most = lack;
            suspect_ = v;
            short_ = network_.sink_side(v);
            if (most >= enough) { break; }
        }
        return most;
    }

    [[nodiscard]] double into(int w) const {
        double sum = 0;
        for (int u = 0; u < vertices_; ++u) { sum += units_[pair(u, w)]; }
        return sum;
    }
    [[nodiscard]] double out_of(int w) const {
        double sum = 0;
        for (int v = 0; v < vertices_; ++v) { sum += units_[pair(w, v)]; }
        return sum;
    }
    [[nodiscard]] bool balanced() const {
        for (int w = ranks_; w < vertices_; ++w) {
            if (w != root_ && into(w) != out_of(w)) { return false; }
        }
        return true;
    }

    /// Gives up units on the side of a switch that has more of them, as far as no rank needs them.
    void trim(int w) {
        if (w == root_) { return; }
        for (int v = 0; v < vertices_; ++v) {
            const double excess = into(w) - out_of(w);
            const auto [from, to] = excess > 0 ? std::pair{v, w} : std::pair{w, v};
            const double most = std::min(std::abs(excess), units_[pair(from, to)]);
            if (!(most > 0)) { continue; }
            change(from, to, -most);
            const double lack = std::min(missing(most), most);
            change(from, to, lack);
            (void)take(from, to, most - lack);
        }
    }

    /// Takes units off the ways between two vertices.
    std::vector<way> take(int u, int v, double units) {
        std::vector<way> taken;
        auto& ways = ways_[pair(u, v)];
        while (units > 0 && !ways.empty()) {
            const double part = std::min(units, ways.back().units);
            taken.push_back({part, ways.back().links});
            ways.back().units -= part;
            units -= part;
            if (!(ways.back().units > 0)) { ways.pop_back(); }
        }
        return taken;
    }

    /// Lays the ways of a pairing end to end.
    void join(int w, const pairing& p) {
        std::vector<way> first = take(p.from, w, p.units);
        std::vector<way> second = take(w, p.to, p.units);
        if (p.from == p.to || p.to == root_) { return; }
        while (!first.empty() && !second.empty()) {
            const double part = std::min(first.back().units, second.back().units);
            way whole{part, first.back().links};
            whole.links.insert(whole.links.end(), second.back().links.begin(), second.back().links.end());
            auto& ways = ways_[pair(p.from, p.to)];
            const auto same =
                std::find_if(ways.begin(), ways.end(), [&](const way& other) { return other.links == whole.links; });
            if (same != ways.end()) {
                same->units += part;
            } else {
                ways.push_back(std::move(whole));
            }
            for (auto* side : {&first, &second}) {
                side->back().units -= part;
                if (!(side->back().units > 0)) { side->pop_back(); }
            }
        }
    }

    /// True where no way but one over `w` joins the two in two steps or fewer.
    [[nodiscard]] bool strangers(int u, int v, int w) const {
        if (units_[pair(u, v)] > 0) { return false; }
        for (int x = ranks_; x < vertices_; ++x) {
            if (x != w && units_[pair(u, x)] > 0 && units_[pair(x, v)] > 0) { return false; }
        }
        return true;
    }

    /// Ways past a switch, round by round, so that neighbours take turns.
    struct rounds {
        std::vector<std::pair<int, int>> far;  ///< between ends that nothing else joins
        std::vector<std::pair<int, int>> near; ///< between others
        double partners = 0;                   ///< with so many far ends each end is paired first
        double ports = 0;
    };

    [[nodiscard]] rounds ways_past(int w) const {
        std::vector<int> ports;
        for (int v = 0; v < vertices_; ++v) {
            if (units_[pair(v, w)] > 0 || units_[pair(w, v)] > 0) { ports.push_back(v); }
        }
        rounds order;
        if (ports.empty()) { return order; }
        std::vector<std::size_t> shifts(ports.size());
        std::iota(shifts.begin(), shifts.end(), std::size_t{0});
        for (int pass = 0; pass < 2; ++pass) {
            order.far.clear();
            order.near.clear();
            for (const std::size_t shift : shifts) {
                for (std::size_t i = 0; shift > 0 && i < ports.size(); ++i) {
                    const int u = ports[i];
                    const int v = ports[(i + shift) % ports.size()];
                    if (!(units_[pair(u, w)] > 0 && units_[pair(w, v)] > 0)) { continue; }
                    (strangers(u, v, w) ? order.far : order.near).emplace_back(u, v);
                }
            }
            // Behind ports stand groups of equal size, if any: like goes with like in other groups first, so that there
            // are few hops and wide ones.
            const std::size_t group = ports.size() - order.far.size() / ports.size();
            order.partners = std::max(1.0, static_cast<double>(ports.size() / group) - 1);
            if (order.far.empty() || group == 1) { break; }
            std::stable_partition(shifts.begin(), shifts.end(), [&](std::size_t s) { return s % group == 0; });
        }
        order.ports = static_cast<double>(ports.size());
        return order;
    }

    /// Visits the far ways, then the near ones, each first for an even share of what enters `w`, then for all there is.
    template <class Visit>
    void in_turn(int w, const rounds& order, Visit visit) {
        for (const auto* ways : {&order.far, &order.near}) {
            const double partners = ways == &order.far ? order.partners : order.ports - 1;
            const double even = std::ceil(into(w) / std::max(1.0, order.ports * partners));
            for (const double most : {even, trees_ + into(w)}) {
                for (const auto& [u, v] : *ways) { visit(u, v, most); }
            }
        }
    }

    /// All of `w` at once, evenly, if every rank still gets its units.
    [[nodiscard]] bool split_evenly(int w, const rounds& order) {
        std::vector<pairing> done;
        in_turn(w, order, [&](int u, int v, double most) {
            const double units = std::min({units_[pair(u, w)], units_[pair(w, v)], most});
            if (!(units > 0)) { return; }
            done.push_back({u, v, units});
            apply(w, done.back(), 1);
        });
        if (into(w) == 0 && out_of(w) == 0 && missing(1) == 0) {
            for (const pairing& p : done) { join(w, p); }
            return true;
        }
        for (auto p = done.rbegin(); p != done.rend(); ++p) { apply(w, *p, -1); }
        return false;
    }

    [[nodiscard]] bool forbidden(int u, int v, int w) const {
        return std::any_of(tight_.begin(), tight_.end(), [&](const std::vector<bool>& set) {
            const bool over = set[at(w)];
            return set[at(u)] != over && set[at(v)] != over;
        });
    }

    /// One pair, as far as it goes up to `most`.
    void split_pair(int u, int v, int w, double most) {
        pairing p{u, v, std::min({units_[pair(u, w)], units_[pair(w, v)], most})};
        if (!(p.units > 0) || forbidden(u, v, w)) { return; }
        apply(w, p, 1);
        const double lack = std::min(missing(p.units), p.units);
        if (lack > 0) {
            apply(w, {u, v, lack}, -1);
            p.units -= lack;
            tight_.push_back(short_);
        }
        if (p.units > 0) { join(w, p); }
    }

    [[nodiscard]] bool split(int w) {
        rounds order = ways_past(w);
        if (split_evenly(w, order)) { return true; }
        for (int u = 0; u < vertices_; ++u) { order.near.emplace_back(u, u); }
        in_turn(w, order, [&](int u, int v, double most) { split_pair(u, v, w, most); });
        return into(w) == 0 && out_of(w) == 0;
    }

    int ranks_;
    int vertices_;
    int root_;
    double trees_;
    flow_network network_;
    std::vector<double> units_;          ///< between each pair of vertices
    std::vector<int> edge_;              ///< of the network
    std::vector<std::vector<way>> ways_; ///< that the units of a pair take
    int edges_ = 0;
    int suspect_ = 0;                      ///< the rank that fell short last
    std::vector<bool> short_;              ///< the cut that showed it
    std::vector<std::vector<bool>> tight_; ///< sets that cannot spare a unit
};

} // namespace detail

/// Hops among the ranks, and from the root, over which every rank receives all units of the demand.
/// @return empty where switches cannot be paired off: their two directions differ, and trees need not reach the bound
[[nodiscard]] inline std::vector<split_hop> split_switches(const unit_demand& demand, const fabric& f) {
    detail::switch_splitter splitter(demand, f.ranks, f.vertices);
    if (!splitter.run()) { return {}; }
    return splitter.hops();
}

} // namespace blink
