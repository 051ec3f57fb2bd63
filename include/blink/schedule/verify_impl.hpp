// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `verify`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/program.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/schedule/symbolic.hpp>
#include <blink/schedule/verify.hpp>

#include <cmath>
#include <cstddef>
#include <string>

namespace blink {

namespace detail {

inline void check_collective(collective kind, int ranks, int root) {
    const std::string what(to_string(kind));
    if (ranks < 1) { throw schedule_error(what + ": " + std::to_string(ranks) + " ranks; expected 1 or more"); }
    if (is_rooted(kind) && (root < 0 || root >= ranks)) {
        throw schedule_error(what + ": the root is the unknown rank " + std::to_string(root));
    }
}

inline void check_peers(const schedule& s, const role& r, int rank, int lane) {
    const auto check = [&](int peer, const char* member) {
        if (peer >= 0 && peer < s.ranks && peer != rank) { return; }
        throw schedule_error("rank " + std::to_string(rank) + ", lane " + std::to_string(lane) + ", every chunk: " +
                             member + (peer == rank ? " names the rank itself" : " names the unknown rank ") +
                             (peer == rank ? "" : std::to_string(peer)));
    };
    for (const int child : r.reduce_from) { check(child, "reduce_from"); }
    for (const int child : r.broadcast_to) { check(child, "broadcast_to"); }
    if (r.reduce_to != no_rank) { check(r.reduce_to, "reduce_to"); }
    if (r.broadcast_from != no_rank) { check(r.broadcast_from, "broadcast_from"); }
}

inline void check_lanes(const schedule& s) {
    double sum = 0;
    for (std::size_t i = 0; i < s.lanes.size(); ++i) {
        const lane& l = s.lanes[i];
        const std::string name = "lane " + std::to_string(i);
        if (static_cast<int>(l.roles.size()) != s.ranks) {
            throw schedule_error(name + ": " + std::to_string(l.roles.size()) + " roles for " +
                                 std::to_string(s.ranks) + " ranks");
        }
        if (l.root < 0 || l.root >= s.ranks) {
            throw schedule_error(name + ": its root is the unknown rank " + std::to_string(l.root));
        }
        if (is_rooted(s.kind) && l.root != s.root) {
            throw schedule_error(name + ": its root is rank " + std::to_string(l.root) + ", that of the " +
                                 std::string(to_string(s.kind)) + " is rank " + std::to_string(s.root));
        }
        if (!(l.share >= 0)) { throw schedule_error(name + ": its share is " + std::to_string(l.share)); }
        sum += l.share;
        for (int r = 0; r < s.ranks; ++r) {
            check_peers(s, l.roles[static_cast<std::size_t>(r)], r, static_cast<int>(i));
        }
    }
    constexpr double rounding = 1e-6;
    if (!(std::abs(sum - 1) <= rounding)) {
        throw schedule_error("the shares of the " + std::to_string(s.lanes.size()) + " lanes add up to " +
                             std::to_string(sum) + ", not to 1");
    }
    for (int root = 0; is_sharded(s.kind) && root < s.ranks; ++root) {
        double shard = 0;
        for (const lane& l : s.lanes) { shard += l.root == root ? l.share : 0; }
        if (!(std::abs(shard * s.ranks - 1) <= rounding)) {
            throw schedule_error("the lanes of root " + std::to_string(root) + " carry " + std::to_string(shard) +
                                 " of the data, not its shard of 1/" + std::to_string(s.ranks));
        }
    }
}

inline void check_slots(int slots) {
    if (slots < 1) {
        throw usage_error("verify: FIFOs of " + std::to_string(slots) + " chunks pass nothing; expected 1 or more");
    }
}

} // namespace detail

BLINK_INLINE void verify(const program& p, int slots) {
    detail::check_slots(slots);
    detail::check_collective(p.kind, p.ranks, p.root);
    detail::symbolic_run(p, slots).run();
}

BLINK_INLINE void verify(const schedule& s, const verify_options& options) {
    detail::check_slots(options.slots);
    detail::check_collective(s.kind, s.ranks, s.root);
    detail::check_lanes(s);
    verify(expand(s, options.chunks), options.slots);
}

} // namespace blink
