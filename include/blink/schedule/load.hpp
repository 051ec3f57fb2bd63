// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a schedule asks of every link, and the check that this is what the packing promised and the links have.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/packing.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace blink {

namespace detail {

/// The hop number `index`, which has to lead from `from` to `to`.
[[nodiscard]] inline const arc& hop_between(const fabric& f, int index, int from, int to, const std::string& who) {
    const std::string hop = std::to_string(from) + " -> " + std::to_string(to);
    if (index < 0 || index >= static_cast<int>(f.arcs.size())) {
        throw schedule_error(who + ": " + hop + " is said to be hop " + std::to_string(index) +
                             ", which the fabric does not have");
    }
    const arc& a = f.arcs[static_cast<std::size_t>(index)];
    if (a.from != from || a.to != to) {
        throw schedule_error(who + ": " + hop + " is said to be hop " + std::to_string(index) + ", which leads " +
                             std::to_string(a.from) + " -> " + std::to_string(a.to));
    }
    return a;
}

inline void add_load(std::vector<double>& load, const arc& a, double GBps) {
    for (const int l : a.route) { load.at(static_cast<std::size_t>(l)) += GBps; }
}

} // namespace detail

/// GB/s on each link of `f` when `s` moves `GBps` of data.
/// @throw schedule_error where a role names no hop, or one that leads elsewhere
[[nodiscard]] inline std::vector<double> link_load(const schedule& s, const fabric& f, double GBps) {
    std::vector<double> load(f.links.size(), 0.0);
    for (std::size_t i = 0; i < s.lanes.size(); ++i) {
        const lane& l = s.lanes[i];
        for (std::size_t r = 0; r < l.roles.size(); ++r) {
            const role& own = l.roles[r];
            const auto rank = static_cast<int>(r);
            const std::string who = "rank " + std::to_string(rank) + ", lane " + std::to_string(i);
            if (own.reduce_to != no_rank) {
                const arc& up = detail::hop_between(f, own.reduce_arc, rank, own.reduce_to, who);
                detail::add_load(load, up, l.share * GBps);
            }
            if (own.broadcast_from != no_rank) {
                const arc& down = detail::hop_between(f, own.broadcast_arc, own.broadcast_from, rank, who);
                detail::add_load(load, down, l.share * GBps);
            }
        }
    }
    return load;
}

/// GB/s on each link of `f` when every tree of `p` flows at its rate.
/// @throw plan_error for a hop that the fabric does not have
[[nodiscard]] inline std::vector<double> link_load(const packing& p, const fabric& f) {
    std::vector<double> load(f.links.size(), 0.0);
    const auto add = [&](int index, double GBps) {
        if (index < 0 || index >= static_cast<int>(f.arcs.size())) {
            throw plan_error("the packing uses hop " + std::to_string(index) + ", which the fabric does not have");
        }
        detail::add_load(load, f.arcs[static_cast<std::size_t>(index)], GBps);
    };
    for (const packed_tree& t : p.trees) {
        for (const tree_edge& e : t.edges) {
            if (reduces(p.kind)) { add(e.up, t.GBps); }
            if (hands_on(p.kind)) { add(e.down, t.GBps); }
        }
    }
    return load;
}

/// Checks that no link carries more than it can when `s` moves `GBps`.
/// @throw schedule_error naming the link, or a role without a proper hop
inline void verify_load(const schedule& s, const fabric& f, double GBps) {
    constexpr double rounding = 1e-6;
    const std::vector<double> load = link_load(s, f, GBps);
    for (std::size_t l = 0; l < load.size(); ++l) {
        const link& wire = f.links[l];
        if (load[l] > wire.GBps * (1 + rounding)) {
            throw schedule_error("link " + std::to_string(wire.from) + " -> " + std::to_string(wire.to) + " has " +
                                 std::to_string(wire.GBps) + " GB/s and would carry " + std::to_string(load[l]));
        }
    }
}

/// Checks besides that every link carries what the trees of `p` put on it.
/// @throw schedule_error naming the link
inline void verify_load(const schedule& s, const fabric& f, const packing& p) {
    constexpr double rounding = 1e-6;
    verify_load(s, f, p.GBps);
    const std::vector<double> load = link_load(s, f, p.GBps);
    const std::vector<double> promised = link_load(p, f);
    for (std::size_t l = 0; l < load.size(); ++l) {
        if (std::abs(load[l] - promised[l]) > rounding * std::max(1.0, promised[l])) {
            throw schedule_error("link " + std::to_string(f.links[l].from) + " -> " + std::to_string(f.links[l].to) +
                                 " would carry " + std::to_string(load[l]) + " GB/s and the packing promised " +
                                 std::to_string(promised[l]));
        }
    }
}

} // namespace blink
