// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Hops through relays: GPUs that take no part and only forward.
///
/// To whoever packs trees a relay is a vertex that passes data on. Such vertices are split off: two wires that meet
/// there are joined to one, as long as the collective's best rate on the machine stays what it is (Lovasz 1976, Mader
/// 1978), until the vertex has none left. What remains are wires between ranks, each with links of its own beneath, and
/// several between the same two ranks; trees of these are packed like trees of direct links.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/packing/split_demand.hpp>
#include <blink/packing/wires.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// Takes the vertices that only pass data on out of a machine.
class wire_splitter {
  public:
    wire_splitter(const topology& g, std::vector<strand> strands, collective kind, int root)
        : machine_(&g), wires_(g, std::move(strands)), demand_(kind, root, g.gpu_count(), wires_.capacity()) {}

    /// The wires that are left between ranks.
    [[nodiscard]] std::vector<strand> split() {
        const int ranks = machine_->gpu_count();
        // Whole lanes between ranks first, at all vertices: ways through one relay are shorter than through two.
        for (int v = ranks; v < machine_->vertex_count(); ++v) { split_lanes(v, 0); }
        drop_needless();
        for (int v = ranks; v < machine_->vertex_count(); ++v) { split_lanes(v, 2); }
        for (int v = ranks; v < machine_->vertex_count(); ++v) {
            split_rest(v);
            wires_.remove(v);
        }
        return wires_.strands();
    }

  private:
    using pair = std::pair<int, int>;

    /// Removes wires among the vertices that only pass data on while the rate stays: what nobody needs makes no detour.
    void drop_needless() {
        const std::vector<strand> now = wires_.strands();
        for (const strand& s : now) {
            if (std::min(s.a, s.b) < machine_->gpu_count()) { continue; }
            Eigen::MatrixXd after = wires_.capacity();
            after(s.a, s.b) -= s.GBps;
            after(s.b, s.a) -= s.GBps;
            if (demand_.missing(after).sides.empty()) { wires_.drop(s); }
        }
    }

    /// Pairs of neighbours of `via` whose wires to it could be joined.
    [[nodiscard]] std::vector<pair> pairs_at(int via) const {
        const std::vector<int> ends = wires_.neighbours(via);
        std::vector<pair> pairs;
        for (std::size_t i = 0; i < ends.size(); ++i) {
            for (std::size_t j = i + 1; j < ends.size(); ++j) { pairs.emplace_back(ends[i], ends[j]); }
        }
        return pairs;
    }

    [[nodiscard]] int inner_ends(const pair& p) const {
        const int ranks = machine_->gpu_count();
        return (p.first >= ranks ? 1 : 0) + (p.second >= ranks ? 1 : 0);
    }

    /// Joins lane after lane between neighbours of which at most `inner` are no ranks, always the two that have the
    /// least between them, so that the ranks end up joined evenly. A pair that cannot be joined any more stays so: no
    /// cut ever grows.
    void split_lanes(int via, int inner) {
        const double lane = lane_at(via);
        std::vector<pair> pairs = pairs_at(via);
        std::erase_if(pairs, [&](const pair& p) { return inner_ends(p) > inner; });
        while (!pairs.empty()) {
            const auto order = [&](const pair& p) {
                return std::tuple(inner_ends(p), wires_.capacity()(p.first, p.second), p);
            };
            const auto next = std::min_element(pairs.begin(), pairs.end(),
                                               [&](const pair& x, const pair& y) { return order(x) < order(y); });
            const auto [a, b] = *next;
            if (most(a, via, b, lane) >= lane * (1 - 1e-9)) {
                wires_.join(a, via, b, lane);
            } else {
                pairs.erase(next);
            }
        }
    }

    void split_rest(int via) {
        for (const auto& [a, b] : pairs_at(via)) {
            wires_.join(a, via, b, most(a, via, b, std::numeric_limits<double>::infinity()));
        }
    }

    /// Rate of one wire of the slowest link at `v`.
    [[nodiscard]] double lane_at(int v) const {
        double slowest = std::numeric_limits<double>::infinity();
        for (const strand& s : wires_.strands()) {
            if (s.a != v && s.b != v) { continue; }
            for (const int l : s.there) {
                const link& wire = machine_->links()[static_cast<std::size_t>(l)];
                slowest = std::min(slowest, wire.GBps / wire.lanes);
            }
        }
        return slowest;
    }

    /// How much of the wires a - via - b can be joined, at most `limit`, before the rate falls. Only cuts with `via` on
    /// one side and both ends on the other lose by it, twice what is joined; what is missing after a step that was too
    /// long tells how much shorter it has to be (Newton's method on a concave function: from above, in few steps).
    [[nodiscard]] double most(int a, int via, int b, double limit) const {
        const Eigen::MatrixXd& now = wires_.capacity();
        double amount = std::min({limit, now(a, via), now(via, b)});
        for (int step = 0; step < 32 && amount > 0; ++step) {
            Eigen::MatrixXd after = now;
            for (const auto& [u, v, change] :
                 {std::tuple(a, via, -amount), std::tuple(via, b, -amount), std::tuple(a, b, amount)}) {
                after(u, v) += change;
                after(v, u) += change;
            }
            const shortfall lacking = demand_.missing(after);
            if (lacking.sides.empty()) { return amount; }
            int crossed = 0;
            for (const std::vector<bool>& side : lacking.sides) {
                const auto in = [&side](int v) { return side[static_cast<std::size_t>(v)]; };
                if (in(a) == in(b) && in(a) != in(via)) { ++crossed; }
            }
            if (crossed == 0) { return 0; }
            amount -= lacking.GBps / (2 * crossed);
            if (amount < 1e-7 * limit_of(now, a, via, b)) { return 0; }
        }
        return 0;
    }

    [[nodiscard]] static double limit_of(const Eigen::MatrixXd& c, int a, int via, int b) {
        return std::min(c(a, via), c(via, b));
    }

    const topology* machine_;
    wire_set wires_;
    split_demand demand_;
};

/// Strands over the same links become one; the order is that of ranks, then of ways, the shorter first.
[[nodiscard]] inline std::vector<strand> merged(std::vector<strand> strands) {
    for (strand& s : strands) {
        if (s.a > s.b) { s = turned(s); }
    }
    const auto key = [](const strand& s) { return std::tuple(s.a, s.b, s.there.size(), s.there, s.back); };
    std::stable_sort(strands.begin(), strands.end(), [&](const strand& x, const strand& y) { return key(x) < key(y); });
    std::vector<strand> distinct;
    for (strand& s : strands) {
        if (!distinct.empty() && key(distinct.back()) == key(s)) {
            distinct.back().GBps += s.GBps;
        } else {
            distinct.push_back(std::move(s));
        }
    }
    return distinct;
}

/// The fabric of `strands`, each over links of its own; then what is left of the links, which still count for bounds.
[[nodiscard]] inline fabric fabric_of(const topology& g, const std::vector<strand>& wires,
                                      const std::vector<strand>& strands) {
    fabric f{g.gpu_count(), g.vertex_count(), {}, {}};
    std::vector<double> left(g.links().size(), 0);
    for (const strand& w : wires) {
        for (const int l : {w.there.front(), w.back.front()}) { left[static_cast<std::size_t>(l)] = w.GBps; }
    }
    const auto part_of = [&](int index, double GBps) {
        link l = g.links()[static_cast<std::size_t>(index)];
        l.lanes = std::max(1, static_cast<int>(std::lround(GBps / l.GBps * l.lanes)));
        l.GBps = GBps;
        left[static_cast<std::size_t>(index)] -= GBps;
        f.links.push_back(l);
        return static_cast<int>(f.links.size()) - 1;
    };
    for (const strand& s : strands) {
        arc there{s.a, s.b, {}};
        arc back{s.b, s.a, {}};
        for (const int l : s.there) { there.route.push_back(part_of(l, s.GBps)); }
        for (const int l : s.back) { back.route.push_back(part_of(l, s.GBps)); }
        f.arcs.push_back(std::move(there));
        f.arcs.push_back(std::move(back));
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i] > 1e-7 * g.links()[i].GBps) { (void)part_of(static_cast<int>(i), left[i]); }
    }
    return f;
}

/// Ranks that `wires` do not join to rank 0.
[[nodiscard]] inline std::vector<int> apart(const topology& g, const std::vector<strand>& wires) {
    std::vector<bool> seen(static_cast<std::size_t>(g.vertex_count()), false);
    seen[0] = true;
    for (bool grown = true; grown;) {
        grown = false;
        for (const strand& s : wires) {
            if (seen[static_cast<std::size_t>(s.a)] == seen[static_cast<std::size_t>(s.b)]) { continue; }
            seen[static_cast<std::size_t>(s.a)] = seen[static_cast<std::size_t>(s.b)] = grown = true;
        }
    }
    std::vector<int> missing;
    for (int v = 0; v < g.gpu_count(); ++v) {
        if (!seen[static_cast<std::size_t>(v)]) { missing.push_back(v); }
    }
    return missing;
}

} // namespace detail

/// The hops among the ranks of `g` for a collective, when the vertices after the ranks (relays and switches) pass data
/// on: several between two ranks where several ways lead from one to the other, and no two hops on the same link. A
/// link that serves several hops stands in the fabric once for each of them, with the part of its capacity that the hop
/// has.
/// @param g of `induced`, with the relays
/// @param root rank; ignored where the collective has none
/// @throw plan_error naming the ranks that cannot reach rank 0, or for a link without an equal the other way
/// @note each join of two wires costs a few maximum flows for every rank; meant for one machine's GPUs
[[nodiscard]] inline fabric make_relay_fabric(const topology& g, link_choice choice, collective kind, int root) {
    const auto slow = [](link_kind k) { return k == link_kind::pcie; };
    const auto fast = [&](link_kind k) { return !slow(k); };
    std::vector<detail::strand> wires;
    if (choice == link_choice::all) {
        wires = detail::full_duplex(g, [](link_kind) { return true; });
    } else if (choice == link_choice::pcie) {
        wires = detail::full_duplex(g, slow);
    } else {
        wires = detail::full_duplex(g, fast);
        if (choice == link_choice::automatic && !detail::apart(g, wires).empty()) {
            wires = detail::full_duplex(g, slow);
        }
    }
    if (const std::vector<int> missing = detail::apart(g, wires); !missing.empty()) {
        std::string list;
        for (const int r : missing) { list += (list.empty() ? "" : ", ") + std::to_string(r); }
        throw plan_error(g.name() + ": no path between rank 0 and rank" + (missing.size() > 1 ? "s " : " ") + list +
                         " over the links that may be used, relays included");
    }
    if (g.gpu_count() == 1) { return detail::fabric_of(g, wires, {}); }
    detail::wire_splitter splitter(g, wires, kind, root);
    return detail::fabric_of(g, wires, detail::merged(splitter.split()));
}

} // namespace blink
