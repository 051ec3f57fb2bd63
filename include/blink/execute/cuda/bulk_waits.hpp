// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The waits of a block that copies in bulk.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstdint>

namespace blink::cuda {

/// Elements of `size` that whole bulk copies carry.
template <class T>
[[nodiscard]] BLINK_DEVICE_CODE inline std::uint32_t in_bulk(std::uint32_t size) {
    constexpr std::uint32_t unit = full_width<T>;
    return size / unit * unit;
}

/// Waits for the phase of `parity`; false where a thread of the block has given up before it was complete.
template <class Machine, class Barrier>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_phase(const Machine& machine, Barrier& barrier, std::uint32_t parity,
                                                       const std::uint32_t* stop) {
    while (!machine.passed(barrier, parity)) {
        if (machine.stopped(stop)) { return false; }
    }
    return true;
}

/// Waits as `at.wait` does; false sets `stop`. A flag counts on, so one look may be enough for several chunks.
/// @param seen what the last look found, 0 at first
template <class Context>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_flag(const Context& at, std::uint32_t* stop, const std::uint64_t* flag,
                                                      std::uint32_t wanted, awaited what, int peer, std::uint32_t c,
                                                      std::uint64_t& seen) {
    const std::uint64_t value = flag_value(at.number, wanted);
    const auto ready = [&] {
        seen = at.machine.load(flag);
        return seen >= value;
    };
    const auto cause = [&] { return fault{what, at.rank, peer, at.lane, at.block, c}; };
    const bool ok = wait_until(at.machine, *at.call, ready, cause);
    if (!ok) { at.machine.stop(stop); }
    return ok;
}

} // namespace blink::cuda
