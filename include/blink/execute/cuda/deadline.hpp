// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A wait on the device that cannot last for ever.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstdint>

namespace blink::cuda {

/// Where waits of a call end before their time, and who is told.
struct patience {
    std::uint64_t* faults;
    std::uint64_t* abort;
    std::uint64_t timeout_ns;
};

/// A look at the clock and at the abort word.
/// @param began when a look of this wait was first taken, 0 at the first one
/// @param together whether a team waits: then all of its threads call this, and all give up where one does
/// @return when the first look was taken; 0 where the wait is over
template <class Machine>
[[nodiscard]] BLINK_RARE BLINK_DEVICE_CODE inline std::uint64_t
look_around(Machine machine, patience limits, std::uint64_t began, int rank, std::uint64_t fault_word, bool together) {
    const std::uint64_t now = machine.now_ns();
    const std::uint64_t start = began == 0 ? now : began;
    const bool ends = machine.load(limits.abort) != 0 || now - start > limits.timeout_ns;
    if (!(together ? machine.team_any(ends) : ends)) { return start; }
    if (now - start > limits.timeout_ns / 2) {
        machine.store(limits.faults + rank, fault_word);
        machine.fence();
        machine.store(limits.abort, 1);
    }
    return 0;
}

/// One thread polls until `ready()`, or each of a team does. False after the deadline of the call or an abort. Who runs
/// into the deadline leaves `what_for()`, a `fault`, and wakes everyone; those who then had waited about as long leave
/// one too, since the first to look at its clock need not be the one that knows the cause.
template <bool Together = false, class Machine, class Call, class Ready, class WhatFor>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_until(const Machine& machine, const Call& call, const Ready& ready,
                                                       const WhatFor& what_for) {
    std::uint64_t start = 0;
    for (std::uint32_t spins = 1; !ready(); ++spins) {
        machine.pause();
        // The abort word lies in host memory: a look costs about a microsecond, so it is rare.
        if (spins % 1024 != 0) { continue; }
        const fault f = what_for();
        start = look_around(machine, patience{call.faults, call.abort, call.timeout_ns}, start, f.rank, f.packed(),
                            Together);
        if (start == 0) { return false; }
    }
    return true;
}

} // namespace blink::cuda
