// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How hops are found.
#pragma once

#include <blink/core/config.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <limits>
#include <queue>
#include <string>
#include <utility>
#include <vector>

namespace blink {

BLINK_INLINE double hop_GBps(const fabric& f, const arc& a) {
    double narrowest = std::numeric_limits<double>::infinity();
    for (const int l : a.route) { narrowest = std::min(narrowest, f.links[static_cast<std::size_t>(l)].GBps); }
    return narrowest;
}

namespace detail {

/// Adds the hops over links accepted by `wanted`: every direct link, else the shortest way through switches, the
/// widest among the shortest.
template <class Wanted>
void add_hops(fabric& f, const topology& g, Wanted wanted) {
    std::vector<std::vector<int>> out(static_cast<std::size_t>(g.vertex_count()));
    for (const link& l : g.links()) {
        if (!wanted(l.kind)) { continue; }
        out[static_cast<std::size_t>(l.from)].push_back(static_cast<int>(f.links.size()));
        f.links.push_back(l);
    }
    for (int source = 0; source < g.gpu_count(); ++source) {
        struct reached {
            int hops = std::numeric_limits<int>::max();
            double GBps = 0;
            int by = -1;
        };
        std::vector<reached> seen(static_cast<std::size_t>(g.vertex_count()));
        seen[static_cast<std::size_t>(source)] = {0, std::numeric_limits<double>::infinity(), -1};
        std::queue<int> frontier;
        frontier.push(source);
        while (!frontier.empty()) {
            const int v = frontier.front();
            frontier.pop();
            if (v != source && v < g.gpu_count()) { continue; }
            const reached here = seen[static_cast<std::size_t>(v)];
            for (const int index : out[static_cast<std::size_t>(v)]) {
                const link& l = f.links[static_cast<std::size_t>(index)];
                reached& there = seen[static_cast<std::size_t>(l.to)];
                const double width = std::min(here.GBps, l.GBps);
                const bool first = there.hops == std::numeric_limits<int>::max();
                const bool wider = there.hops == here.hops + 1 && width > there.GBps;
                if (first || wider) { there = {here.hops + 1, width, index}; }
                if (first) { frontier.push(l.to); }
            }
        }
        for (int target = 0; target < g.gpu_count(); ++target) {
            const reached& there = seen[static_cast<std::size_t>(target)];
            if (target == source || there.by == -1) { continue; }
            if (there.hops == 1) {
                for (const int index : out[static_cast<std::size_t>(source)]) {
                    if (f.links[static_cast<std::size_t>(index)].to == target) {
                        f.arcs.push_back({source, target, {index}});
                    }
                }
                continue;
            }
            arc a{source, target, {}};
            for (int v = target; v != source;) {
                const int index = seen[static_cast<std::size_t>(v)].by;
                a.route.insert(a.route.begin(), index);
                v = f.links[static_cast<std::size_t>(index)].from;
            }
            f.arcs.push_back(std::move(a));
        }
    }
}

/// Ranks reachable from rank 0 by hops, and against them.
[[nodiscard]] inline std::vector<int> unreachable_ranks(const fabric& f) {
    std::vector<int> missing;
    for (const bool forward : {true, false}) {
        std::vector<std::vector<int>> next(static_cast<std::size_t>(f.ranks));
        for (const arc& a : f.arcs) {
            next[static_cast<std::size_t>(forward ? a.from : a.to)].push_back(forward ? a.to : a.from);
        }
        std::vector<bool> seen(static_cast<std::size_t>(f.ranks), false);
        std::vector<int> stack{0};
        seen[0] = true;
        while (!stack.empty()) {
            const int v = stack.back();
            stack.pop_back();
            for (const int to : next[static_cast<std::size_t>(v)]) {
                if (seen[static_cast<std::size_t>(to)]) { continue; }
                seen[static_cast<std::size_t>(to)] = true;
                stack.push_back(to);
            }
        }
        for (int v = 0; v < f.ranks; ++v) {
            if (!seen[static_cast<std::size_t>(v)] && std::ranges::find(missing, v) == missing.end()) {
                missing.push_back(v);
            }
        }
    }
    return missing;
}

} // namespace detail

BLINK_INLINE fabric make_fabric(const topology& g, link_choice choice) {
    const auto fast = [](link_kind k) { return k != link_kind::pcie; };
    const auto slow = [](link_kind k) { return k == link_kind::pcie; };
    fabric f{g.gpu_count(), g.vertex_count(), {}, {}};
    if (choice != link_choice::pcie) { detail::add_hops(f, g, fast); }
    std::vector<int> beyond_fast;
    if (choice == link_choice::automatic) {
        beyond_fast = detail::unreachable_ranks(f);
        if (beyond_fast.empty()) { return f; }
        f.links.clear();
        f.arcs.clear();
    }
    if (choice != link_choice::nvlink) { detail::add_hops(f, g, slow); }
    if (auto missing = detail::unreachable_ranks(f); !missing.empty()) {
        // Where neither sort of links joins all, the one that joins more says better who is apart.
        if (choice == link_choice::automatic && beyond_fast.size() < missing.size()) { missing = beyond_fast; }
        std::string list;
        for (const int r : missing) { list += (list.empty() ? "" : ", ") + std::to_string(r); }
        throw plan_error(g.name() + ": no path between rank 0 and rank" + (missing.size() > 1 ? "s " : " ") + list +
                         " over the links that may be used");
    }
    return f;
}

BLINK_INLINE void add_hop(fabric& f, arc a) {
    const std::string what = "hop " + std::to_string(a.from) + " -> " + std::to_string(a.to);
    int v = a.from;
    for (const int l : a.route) {
        if (l < 0 || l >= static_cast<int>(f.links.size())) {
            throw plan_error(what + ": there is no link " + std::to_string(l));
        }
        const link& next = f.links[static_cast<std::size_t>(l)];
        if (next.from != v || (v != a.from && v < f.ranks)) {
            throw plan_error(what + ": link " + std::to_string(l) + " does not lead on from " + std::to_string(v));
        }
        v = next.to;
    }
    if (v != a.to || a.from == a.to || a.from < 0 || a.from >= f.ranks || a.to >= f.ranks) {
        throw plan_error(what + ": the route leads to " + std::to_string(v));
    }
    f.arcs.push_back(std::move(a));
}

} // namespace blink
