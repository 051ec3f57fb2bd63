// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A machine with some of its wires gone, or slower than they were.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace blink {

namespace detail {

[[nodiscard]] inline std::string wires_between(const topology& machine, int a, int b) {
    return machine.name() + ": wires between " + std::to_string(a) + " and " + std::to_string(b);
}

/// `machine` with every link between `a` and `b` as `change` leaves it; without those that carry nothing then.
/// @throw usage_error where `machine` has no such link
template <class Change>
[[nodiscard]] topology changed_wires(const topology& machine, int a, int b, Change change) {
    topology result(machine.name(), machine.gpu_count(), [&] {
        std::vector<vertex_kind> switches;
        for (int v = machine.gpu_count(); v < machine.vertex_count(); ++v) { switches.push_back(machine.kind_of(v)); }
        return switches;
    }());
    bool met = false;
    for (link l : machine.links()) {
        if (std::minmax(l.from, l.to) == std::minmax(a, b)) {
            met = true;
            change(l);
        }
        if (l.GBps > 0) { result.add_link(l); }
    }
    if (!met) { throw usage_error(wires_between(machine, a, b) + " are none"); }
    return result;
}

} // namespace detail

/// `machine` without `count` of the wires between the vertices `a` and `b`, in both directions; 0: without all.
/// @throw usage_error where it has not so many, in some direction, or none
[[nodiscard]] inline topology without_wires(const topology& machine, int a, int b, int count = 0) {
    int left_there = count;
    int left_back = count;
    topology result = detail::changed_wires(machine, a, b, [&](link& l) {
        int& left = l.from == a ? left_there : left_back;
        const int gone = count == 0 ? l.lanes : std::min(left, l.lanes);
        left -= gone;
        l.GBps *= static_cast<double>(l.lanes - gone) / l.lanes;
        l.lanes -= gone;
    });
    if (count < 0 || (count > 0 && std::max(left_there, left_back) > 0)) {
        throw usage_error(detail::wires_between(machine, a, b) + " are fewer than " + std::to_string(count));
    }
    return result;
}

/// `machine` with wires between `a` and `b` that carry `share` of what they did, in both directions.
/// @throw usage_error where it has none, or for a share that is not above 0
[[nodiscard]] inline topology slowed_wires(const topology& machine, int a, int b, double share) {
    if (!(share > 0)) {
        throw usage_error(detail::wires_between(machine, a, b) + ": a share of " + std::to_string(share) +
                          "; expected more than 0");
    }
    return detail::changed_wires(machine, a, b, [share](link& l) { l.GBps *= share; });
}

} // namespace blink
