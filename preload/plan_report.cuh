// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the user is told of the plans that are made.
#pragma once

#include <blink/plan.hpp>
#include <blink/plan_json.hpp>

#include <fstream>
#include <ios>
#include <mutex>
#include <sstream>
#include <string>

#include "log.hpp"
#include "settings.hpp"

namespace blink::preload {

/// Says once a communicator on what trees its collectives run.
/// @param who its ranks
/// @param allreduce the plan of its allreduce
inline void tell_of(const std::string& who, const plan& allreduce) {
    std::ostringstream text;
    text << "a communicator of " << who << ": allreduce at " << allreduce.packing.GBps << " GB/s of at most "
         << allreduce.packing.bound.GBps << " GB/s, on " << allreduce.packing.trees.size()
         << (allreduce.packing.trees.size() == 1 ? " tree" : " trees");
    for (const packed_tree& t : allreduce.packing.trees) {
        text << "\n  " << t.GBps << " GB/s from rank " << t.root << ':';
        for (const tree_edge& e : t.edges) { text << ' ' << e.parent << '-' << e.child; }
    }
    log::info(text.str());
}

/// Adds a plan to the file that BLINK_PLAN_DUMP_FILE names; the first one of the process empties it.
inline void dump(const plan& p, const settings& chosen) {
    static std::mutex guard;
    static bool begun = false;
    const std::lock_guard lock(guard);
    std::ofstream out(chosen.plan_file, begun ? std::ios::app : std::ios::trunc);
    begun = true;
    out << to_json(p).dump() << '\n';
    if (!out.flush()) { log::problem_once("BLINK_PLAN_DUMP_FILE=" + chosen.plan_file + " cannot be written"); }
}

} // namespace blink::preload
