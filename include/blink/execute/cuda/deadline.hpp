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

/// One thread polls until `ready()`. False after the deadline of the call or an abort. Who runs into the deadline
/// leaves `what_for()`, a `fault`, and wakes everyone; those who then had waited about as long leave one too, since the
/// first to look at its clock need not be the one that knows the cause.
/// @param agreed `agreed(gives up)`: whether one of the threads that wait together gives up; then all of them do
template <class Machine, class Call, class Ready, class WhatFor, class Agreed>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_until(const Machine& machine, const Call& call, const Ready& ready,
                                                       const WhatFor& what_for, const Agreed& agreed) {
    std::uint64_t start = 0;
    for (std::uint32_t spins = 1; !ready(); ++spins) {
        machine.pause();
        // The abort word lies in host memory: a look costs about a microsecond, so it is rare.
        if (spins % 1024 != 0) { continue; }
        const std::uint64_t now = machine.now_ns();
        if (start == 0) { start = now; }
        const bool aborted = machine.load(call.abort) != 0;
        if (!agreed(aborted || now - start > call.timeout_ns)) { continue; }
        if (now - start > call.timeout_ns / 2) {
            const fault f = what_for();
            machine.store(call.faults + f.rank, f.packed());
            machine.fence();
            machine.store(call.abort, 1);
        }
        return false;
    }
    return true;
}

/// As above, for a thread that waits alone.
template <class Machine, class Call, class Ready, class WhatFor>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_until(const Machine& machine, const Call& call, const Ready& ready,
                                                       const WhatFor& what_for) {
    return wait_until(machine, call, ready, what_for, [](bool gives_up) { return gives_up; });
}

} // namespace blink::cuda
