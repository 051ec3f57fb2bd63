// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `with_relay_stops`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/relay_stops.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// Puts the stops of every lane onto its hops.
class relay_stops {
  public:
    relay_stops(const schedule& s, const fabric& f, int relay_count)
        : fabric_(f), first_relay_(s.ranks), end_relay_(s.ranks + relay_count), made_{s, f, s.ranks, {}} {
        made_.hops.arcs.clear();
    }

    [[nodiscard]] relayed_schedule place() {
        std::vector<lane> lanes = std::exchange(made_.participants.lanes, {});
        for (lane& l : lanes) {
            const std::vector<role> before = l.roles;
            for (role& r : l.roles) { r = {}; }
            for (const bool up : {true, false}) {
                passed_.clear();
                for (int child = 0; child < made_.ranks; ++child) { take_apart(l, before, child, up); }
            }
            for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
        }
        made_.participants.ranks = made_.ranks + static_cast<int>(made_.relays.size());
        for (lane& l : lanes) { l.roles.resize(static_cast<std::size_t>(made_.participants.ranks)); }
        made_.participants.lanes = std::move(lanes);
        return std::move(made_);
    }

  private:
    /// The hop between `child` and its parent, a part from stop to stop.
    void take_apart(lane& l, const std::vector<role>& before, int child, bool up) {
        const role& own = before[static_cast<std::size_t>(child)];
        const int parent = up ? own.reduce_to : own.broadcast_from;
        if (parent == no_rank) { return; }
        const int hop = up ? own.reduce_arc : own.broadcast_arc;
        if (hop < 0 || hop >= static_cast<int>(fabric_.arcs.size())) {
            throw plan_error("rank " + std::to_string(child) + ": hop " + std::to_string(hop) +
                             " is none of the fabric");
        }
        const int end = up ? parent : child;
        int from = up ? child : parent;
        std::vector<int> route;
        for (const int link : fabric_.arcs[static_cast<std::size_t>(hop)].route) {
            route.push_back(link);
            const int v = fabric_.links[static_cast<std::size_t>(link)].to;
            if (v >= first_relay_ && v < end_relay_) {
                const int stop = next_stop(v - first_relay_);
                join(l, from, stop, up, std::exchange(route, {}));
                from = stop;
            }
        }
        join(l, from, end, up, std::move(route));
    }

    /// A stop on `relay` that this way of the lane has not passed yet.
    [[nodiscard]] int next_stop(int relay) {
        for (std::size_t i = 0; i < made_.relays.size(); ++i) {
            const int stop = made_.ranks + static_cast<int>(i);
            if (made_.relays[i] == relay && std::ranges::find(passed_, stop) == passed_.end()) {
                passed_.push_back(stop);
                return stop;
            }
        }
        made_.relays.push_back(relay);
        passed_.push_back(made_.ranks + static_cast<int>(made_.relays.size()) - 1);
        return passed_.back();
    }

    /// Data of the lane go from one participant straight to another.
    void join(lane& l, int from, int to, bool up, std::vector<int> route) {
        const int hop = static_cast<int>(made_.hops.arcs.size());
        made_.hops.arcs.push_back({from, to, std::move(route)});
        const auto role_of = [&](int participant) -> role& {
            const auto i = static_cast<std::size_t>(participant);
            if (i >= l.roles.size()) { l.roles.resize(i + 1); }
            return l.roles[i];
        };
        if (up) {
            role_of(to).reduce_from.push_back(from);
            role& sender = role_of(from);
            sender.reduce_to = to;
            sender.reduce_arc = hop;
        } else {
            role_of(from).broadcast_to.push_back(to);
            role& reader = role_of(to);
            reader.broadcast_from = from;
            reader.broadcast_arc = hop;
        }
    }

    const fabric& fabric_;
    int first_relay_;
    int end_relay_;
    relayed_schedule made_;
    std::vector<int> passed_; ///< stops on this way of this lane
};

} // namespace detail

BLINK_INLINE relayed_schedule with_relay_stops(const schedule& s, const fabric& f, int relay_count) {
    return detail::relay_stops(s, f, relay_count).place();
}

} // namespace blink
