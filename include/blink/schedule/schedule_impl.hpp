// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How schedules are made and cut.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/packing/packing.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink {

BLINK_INLINE std::vector<element_range> split(const schedule& s, std::size_t count, std::size_t grain) {
    std::vector<element_range> ranges(s.lanes.size());
    const auto cut = [&](auto belongs, double whole) {
        double sum = 0;
        std::size_t begin = 0;
        element_range* last = nullptr;
        for (std::size_t i = 0; i < s.lanes.size(); ++i) {
            if (!belongs(s.lanes[i])) { continue; }
            sum += s.lanes[i].share / whole;
            const auto ideal = static_cast<std::size_t>(sum * static_cast<double>(count));
            last = &ranges[i];
            *last = {begin, std::clamp(ideal / grain * grain, begin, count)};
            begin = last->end;
        }
        if (last != nullptr) { last->end = count; }
    };
    if (!is_sharded(s.kind)) {
        cut([](const lane&) { return true; }, 1.0);
    } else {
        for (int r = 0; r < s.ranks; ++r) {
            cut([r](const lane& l) { return l.root == r; }, 1.0 / s.ranks);
        }
    }
    return ranges;
}

BLINK_INLINE schedule make_schedule(const packing& p) {
    schedule s{p.kind, p.ranks, p.root, {}};
    const auto empty_lane = [&](int root, double share) {
        return lane{root, share, std::vector<role>(static_cast<std::size_t>(p.ranks))};
    };
    if (p.ranks == 1) {
        s.lanes.push_back(empty_lane(0, 1.0));
        return s;
    }
    if (p.trees.empty() || !(p.GBps > 0)) {
        throw plan_error(std::string(to_string(p.kind)) + " among " + std::to_string(p.ranks) +
                         " ranks: the packing has no trees");
    }
    for (const packed_tree& t : p.trees) {
        lane l = empty_lane(t.root, t.GBps / p.GBps);
        for (const tree_edge& e : t.edges) {
            role& parent = l.roles.at(static_cast<std::size_t>(e.parent));
            role& child = l.roles.at(static_cast<std::size_t>(e.child));
            if (reduces(p.kind)) {
                parent.reduce_from.push_back(e.child);
                child.reduce_to = e.parent;
                child.reduce_arc = e.up;
            }
            if (hands_on(p.kind)) {
                parent.broadcast_to.push_back(e.child);
                child.broadcast_from = e.parent;
                child.broadcast_arc = e.down;
            }
        }
        s.lanes.push_back(std::move(l));
    }
    return s;
}

} // namespace blink
