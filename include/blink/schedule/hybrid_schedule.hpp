// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Two schedules of one collective over different links as one: the lanes of both, each with its part of the data.
///
/// Trees over NVLink and trees over PCIe are packed apart, as in the Blink paper, since how much the one or the other
/// should carry depends on the size of the call (see `hybrid_share`).
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <string>
#include <utility>

namespace blink {

/// The hops of `fast`, then those of `slow`, among the same ranks and switches; they share no link.
/// @throw plan_error where they are fabrics of other ranks or vertices
[[nodiscard]] inline fabric joined(const fabric& fast, const fabric& slow) {
    if (fast.ranks != slow.ranks || fast.vertices != slow.vertices) {
        throw plan_error("joined: fabrics of " + std::to_string(fast.ranks) + " and " + std::to_string(slow.ranks) +
                         " ranks, " + std::to_string(fast.vertices) + " and " + std::to_string(slow.vertices) +
                         " vertices");
    }
    fabric both = fast;
    const auto links = static_cast<int>(fast.links.size());
    both.links.insert(both.links.end(), slow.links.begin(), slow.links.end());
    for (arc a : slow.arcs) {
        for (int& l : a.route) { l += links; }
        both.arcs.push_back(std::move(a));
    }
    return both;
}

/// The lanes of `fast`, which carry 1 - `slow_share` of the data, then those of `slow`; `fast` itself for a share of 0.
/// @param fast_arcs number of hops of the fabric of `fast`: those of `slow` come after them in the joined fabric
/// @throw schedule_error where the two are not the same collective; usage_error for a share outside 0 .. 1
[[nodiscard]] inline schedule hybrid_schedule(const schedule& fast, const schedule& slow, double slow_share,
                                              int fast_arcs) {
    if (fast.kind != slow.kind || fast.ranks != slow.ranks || (is_rooted(fast.kind) && fast.root != slow.root)) {
        throw schedule_error("hybrid_schedule: " + std::string(to_string(fast.kind)) + " among " +
                             std::to_string(fast.ranks) + " ranks, root " + std::to_string(fast.root) + ", and " +
                             std::string(to_string(slow.kind)) + " among " + std::to_string(slow.ranks) + ", root " +
                             std::to_string(slow.root));
    }
    if (!(slow_share >= 0 && slow_share <= 1)) {
        throw usage_error("hybrid_schedule: a share of " + std::to_string(slow_share) + "; expected 0 to 1");
    }
    schedule both{fast.kind, fast.ranks, fast.root, {}};
    if (slow_share < 1) {
        both.lanes = fast.lanes;
        for (lane& l : both.lanes) { l.share *= 1 - slow_share; }
    }
    if (slow_share > 0) {
        for (lane l : slow.lanes) {
            l.share *= slow_share;
            for (role& r : l.roles) {
                if (r.reduce_arc >= 0) { r.reduce_arc += fast_arcs; }
                if (r.broadcast_arc >= 0) { r.broadcast_arc += fast_arcs; }
            }
            both.lanes.push_back(std::move(l));
        }
    }
    return both;
}

} // namespace blink
