// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes in lines, and its launch if it does; the same for all groups on GPUs.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/protocol.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/ll_kernel.cuh>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/schedule/schedule.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace blink::cuda {

/// The ways on which lines and packets could go.
struct short_ways {
    const schedule& trees;
    const runtime_schedule& form; ///< of the trees
    const schedule& one_lane;
    bool along_trees;    ///< no relay is in between
    bool straight;       ///< it is an AllReduce, and all ranks reach each other
    bool straight_pays;  ///< by hops of their own
    bool packets_whole;  ///< packets arrive whole on all hops
    bool pulled = false; ///< parents may read the buffers of all their children
};

/// Whether parents pull what a call of `bytes` reduces, where no short protocol took it.
[[nodiscard]] inline bool is_pulled(protocol how, const short_ways& ways, std::size_t bytes, const tuning& tuned) {
    return ways.pulled && (how == protocol::pull || (how == protocol::automatic && bytes <= tuned.pull_up_to));
}

/// Operators that take inputs as they are, of which there are several.
template <class Op, class T>
concept pullable_operator = !preparing_operator<Op, T> && !std::is_same_v<Op, first_of_two>;

namespace detail {

/// Enqueues the call over a wire of this form; false where it does not fit.
template <class Wire, class T, class Op>
bool launch_over(const short_ways& ways, bool straight, std::span<const T* const> in, std::span<T* const> out,
                 std::size_t count, const Op& op, std::span<const device_ranks> devices, const group_memory& memory) {
    const schedule& lanes = straight ? ways.one_lane : ways.trees;
    const auto shape = ll_shape_on<Wire, T, Op, runtime_schedule>(lanes, count, devices, memory);
    if (!shape) { return false; }
    launch_rows<Wire, T>(lanes, *shape, ways.form, straight, in, out, op, devices, memory);
    return true;
}

} // namespace detail

/// Enqueues the call in lines or packets where that was asked for, or promises to be faster; false where it did not,
/// and the call goes in chunks, pulled or not.
/// @throw usage_error where a protocol was asked for that cannot carry the call
template <class T, class Op>
bool launch_short(protocol how, const short_ways& ways, std::span<const T* const> in, std::span<T* const> out,
                  std::size_t count, const Op& op, std::span<const device_ranks> devices, const group_memory& memory) {
    const schedule& s = ways.trees;
    if constexpr (travels_in_lines<T>) {
        const std::size_t bytes = count * sizeof(T) * (is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1);
        const bool in_packets = travels_in_packets<T> && ways.packets_whole;
        const protocol chosen =
            choose_protocol(how, bytes, s.ranks, ways.straight && ways.straight_pays, in_packets, memory.tuned);
        const bool straight = chosen == protocol::all_pairs || chosen == protocol::all_pairs_packets;
        if (chosen != protocol::chunks && chosen != protocol::pull && (straight ? ways.straight : ways.along_trees)) {
            bool done = false;
            if (chosen == protocol::lines || chosen == protocol::all_pairs) {
                done = detail::launch_over<line_wire>(ways, straight, in, out, count, op, devices, memory);
            }
            // Packets hold more than lines, which may be too few for this many blocks of this many ranks.
            const bool instead = how == protocol::automatic && bytes <= memory.tuned.packets_up_to;
            const bool asked = chosen == protocol::packets || chosen == protocol::all_pairs_packets;
            if constexpr (travels_in_packets<T>) {
                done = done || ((asked || instead) && in_packets &&
                                detail::launch_over<packet_wire>(ways, straight, in, out, count, op, devices, memory));
            }
            if (done) { return true; }
        }
    }
    if (how != protocol::automatic && how != protocol::chunks && how != protocol::pull) {
        throw usage_error("protocol " + std::string(to_string(how)) + " cannot carry a " +
                          std::string(to_string(s.kind)) + " of " + std::to_string(count) + " elements of " +
                          std::to_string(sizeof(T)) + " bytes among " + std::to_string(s.ranks) +
                          " ranks: it is too long, the elements do not tile eight bytes, not all ranks reach each "
                          "other, or packets would cross other links than NVLink");
    }
    if (how == protocol::pull && (!pullable_operator<Op, T> || !is_pulled(how, ways, 0, memory.tuned))) {
        throw usage_error("protocol pull cannot carry this " + std::string(to_string(s.kind)) +
                          ": it is no reduction, its trees keep partial results where no buffer is, its operator "
                          "prepares inputs, or ranks do not see each other's buffers");
    }
    return false;
}

} // namespace blink::cuda
