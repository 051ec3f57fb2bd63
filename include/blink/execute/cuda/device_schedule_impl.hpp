// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Schedules in the form that kernels take.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

namespace blink::cuda {

BLINK_INLINE runtime_schedule to_runtime_schedule(const schedule& s) {
    if (s.ranks > max_ranks || s.lanes.size() > static_cast<std::size_t>(max_lanes)) {
        throw schedule_error("a schedule of " + std::to_string(s.ranks) + " ranks and " +
                             std::to_string(s.lanes.size()) + " lanes: the CUDA executor takes at most " +
                             std::to_string(max_ranks) + " ranks and " + std::to_string(max_lanes) + " lanes");
    }
    runtime_schedule result;
    for (std::size_t l = 0; l < s.lanes.size(); ++l) {
        for (int r = 0; r < s.ranks; ++r) {
            const role& own = s.lanes[l].roles.at(static_cast<std::size_t>(r));
            if (!std::ranges::is_sorted(own.reduce_from)) {
                throw schedule_error("lane " + std::to_string(l) + ", rank " + std::to_string(r) +
                                     ": the CUDA executor combines children in ascending order of rank");
            }
            result.up[l].set(r, own.reduce_to);
            result.down[l].set(r, own.broadcast_from);
        }
    }
    return result;
}

} // namespace blink::cuda
