// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Hops through relays taken apart, for executors on which every stop of a chunk has to be worked for.
#pragma once

#include <blink/core/config.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <vector>

namespace blink {

/// A schedule in which a relay has a role like a rank's: it takes chunks from one neighbour and hands them to the next.
/// Participants 0 .. ranks-1 are the ranks; those above are stops. A stop stands on one relay and is passed at most
/// once on a lane's way up and once on its way down, so a relay that a lane passes more often has several stops.
struct relayed_schedule {
    schedule participants;   ///< `participants.ranks` counts ranks and stops; stops contribute nothing and keep nothing
    fabric hops;             ///< of the participants' roles: no hop passes a relay between its ends
    int ranks = 0;           ///< that take part in the collective
    std::vector<int> relays; ///< stop `ranks + i` stands on relay `relays[i]`, counted as the plan counts its relays
};

/// Gives every relay on a hop of `s` its own role.
/// @param f where the hops of `s` lead; its vertices after the ranks are `relay_count` relays, then switches
/// @throw plan_error where a hop of `s` is none of `f`
[[nodiscard]] BLINK_INLINE relayed_schedule with_relay_stops(const schedule& s, const fabric& f, int relay_count);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/schedule/relay_stops_impl.hpp>
#endif
