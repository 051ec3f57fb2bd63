// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes in cells, and its launch if it does; the same for all groups on GPUs.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/protocol.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/execute/cuda/stream_kernel.cuh>
#include <blink/schedule/schedule.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace blink::cuda {

/// The ways on which cells could go.
struct short_ways {
    const schedule& trees;
    const runtime_schedule& form; ///< of the trees
    const schedule& one_lane;
    known_shape& known;  ///< of a call over these
    bool along_trees;    ///< no relay is in between
    bool straight;       ///< it is an AllReduce, and all ranks reach each other
    bool straight_pays;  ///< by hops of their own
    bool pulled = false; ///< parents may read the buffers of all their children
};

/// Whether parents pull what a call of `bytes` reduces, where no short protocol took it.
[[nodiscard]] inline bool is_pulled(protocol how, const short_ways& ways, std::size_t bytes, const tuning& tuned) {
    return ways.pulled && (how == protocol::pull || (how == protocol::automatic && bytes <= tuned.pull_up_to));
}

/// Whether a call that `is_pulled` can be, `seen` being whether all GPUs may use the buffers of all ranks.
/// @throw usage_error where pulling was asked for and cannot be
[[nodiscard]] inline bool may_pull(protocol how, collective kind, bool seen) {
    if (how == protocol::pull && !seen) {
        throw usage_error("protocol pull cannot carry this " + std::string(to_string(kind)) +
                          ": not all GPUs may use the buffers");
    }
    return seen;
}

/// Operators that take inputs as they are, of which there are several.
template <class Op, class T>
concept pullable_operator = !preparing_operator<Op, T> && !std::is_same_v<Op, first_of_two>;

/// Enqueues the call in cells where that was asked for, or promises to be faster; false where it did not, and the call
/// goes in chunks, pulled or not.
/// @throw usage_error where a protocol was asked for that cannot carry the call
template <class T, class Op>
bool launch_short(protocol how, const short_ways& ways, std::span<const T* const> in, std::span<T* const> out,
                  std::size_t count, const Op& op, std::span<const device_ranks> devices, const group_memory& memory) {
    const schedule& s = ways.trees;
    if constexpr (travels_in_cells<T>) {
        const std::size_t bytes = count * sizeof(T) * (is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1);
        const protocol chosen = choose_protocol(how, s.kind, bytes, s.ranks, ways.straight && ways.straight_pays,
                                                memory.tuned, memory.blocks);
        const auto launched = [&]<bool Straight>(std::bool_constant<Straight>) {
            const schedule& lanes = Straight ? ways.one_lane : ways.trees;
            const call_shape* const shape =
                stream_shape_on<Straight, T, Op, runtime_schedule>(lanes, count, devices, memory, ways.known);
            if (shape != nullptr) {
                launch_streams<Straight, T>(lanes, *shape, ways.form, in, out, op, devices, memory);
            }
            return shape != nullptr;
        };
        if constexpr (!std::is_same_v<Op, first_of_two>) {
            if (chosen == protocol::all_pairs && ways.straight && launched(std::true_type{})) { return true; }
        }
        if (chosen == protocol::cells && ways.along_trees && launched(std::false_type{})) { return true; }
    }
    if (how != protocol::automatic && how != protocol::chunks && how != protocol::pull) {
        throw usage_error("protocol " + std::string(to_string(how)) + " cannot carry a " +
                          std::string(to_string(s.kind)) + " of " + std::to_string(count) + " elements of " +
                          std::to_string(sizeof(T)) + " bytes among " + std::to_string(s.ranks) +
                          " ranks: it has more trees than there are blocks, elements of more than 64 bytes, hops over "
                          "relays, or ranks that do not reach each other");
    }
    if (how == protocol::pull && (!pullable_operator<Op, T> || !is_pulled(how, ways, 0, memory.tuned))) {
        throw usage_error("protocol pull cannot carry this " + std::string(to_string(s.kind)) +
                          ": it is no reduction, its trees keep partial results where no buffer is, its operator "
                          "prepares inputs, or ranks do not see each other's buffers");
    }
    return false;
}

} // namespace blink::cuda
