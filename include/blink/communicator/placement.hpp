// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// On which CUDA devices the ranks and relays of one process are, and whether they reach each other there.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/core/config.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/topology.hpp>

#include <functional>
#include <vector>

namespace blink {

/// Where the ranks of a group are.
struct placement {
    /// Which CUDA device a relay is: the GPU of that number, one that follows those of the ranks, or any of theirs.
    enum class relay_devices : unsigned char { own, spare, shared };

    std::vector<int> gpus;    ///< of the machine, by rank
    std::vector<int> devices; ///< of CUDA, by rank
    relay_devices relays = relay_devices::own;
    int visible = 0; ///< CUDA devices 0 .. visible-1 may be used

    [[nodiscard]] int size() const noexcept { return static_cast<int>(gpus.size()); }

    /// The CUDA device of a relay.
    /// @param gpu of the machine
    /// @param number of the relay in its plan, from 0
    /// @throw plan_error where this process does not see that device
    [[nodiscard]] BLINK_INLINE int relay_device(int gpu, int number) const;
};

/// The machine of a group: the one that is named; a DGX-1V for virtual ranks; else what this process finds.
[[nodiscard]] BLINK_INLINE topology machine_of(const group_options& choices);

/// Places the ranks of a group.
/// @param machine_gpus how many GPUs the machine has
/// @param visible how many CUDA devices this process sees
/// @throw usage_error where ranks, GPUs and devices do not fit together
[[nodiscard]] BLINK_INLINE placement place_ranks(const group_options& choices, int machine_gpus, int visible);

/// A hop is a store into the peer's memory, so both ends of every edge have to reach each other.
/// @param ranks of the group; participants from there on are relays
/// @param devices by participant
/// @param reaches whether kernels on the first device may store into memory of the second
/// @throw plan_error naming the first two that do not
BLINK_INLINE void check_reach(const schedule& s, int ranks, const std::vector<int>& devices,
                              const std::function<bool(int, int)>& reaches);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/placement_impl.hpp>
#endif
