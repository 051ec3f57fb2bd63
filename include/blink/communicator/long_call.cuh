// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes by copy engines, and its launch if it does; between the GPUs of one process.
#pragma once

#include <blink/communicator/copy_room.cuh>
#include <blink/communicator/cuda_resources.cuh>
#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/reduction.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_kernel.cuh>
#include <blink/execute/cuda/copy_plan.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace blink::cuda {

/// What of a group decides whether its calls may go by copies.
struct copy_ways {
    bool straight = false; ///< a GPU for each rank, which all reach each other and see each other's buffers
    bool pays = false;     ///< straight ways over NVLink
};

/// Operators that a kernel of one rank applies to what others have.
template <class Op, class T>
inline constexpr bool combines_copies = !std::is_same_v<Op, first_of_two> && !preparing_operator<Op, T>;

/// Whether copies, which `takes_copies` chose, can carry the call.
/// @throw usage_error where they were asked for and cannot
[[nodiscard]] inline bool can_copy(protocol how, std::string_view name, bool fits, const copy_ways& ways,
                                   std::span<const device_ranks> devices) {
    const bool asked = how == protocol::copies;
    const bool possible = ways.straight && fits && devices.size() > 1 && (asked || ways.pays) && may_meet(devices);
    if (asked && !possible) {
        throw usage_error("protocol copies cannot carry this " + std::string(name) +
                          ": it takes two or more GPUs of one process that all reach each other, a rank on each, no "
                          "operator that prepares inputs, and streams of which none is captured or all into one graph");
    }
    return possible;
}
template <class Op, class T>
[[nodiscard]] bool can_copy(protocol how, collective kind, const copy_ways& ways,
                            std::span<const device_ranks> devices) {
    return can_copy(how, to_string(kind), !reduces(kind) || combines_copies<Op, T>, ways, devices);
}

template <class T>
[[nodiscard]] copy_buffers bytes_of(std::span<const T* const> in, std::span<T* const> out) {
    copy_buffers buffers{{}, {}, sizeof(T)};
    for (const T* const p : in) { buffers.in.push_back(reinterpret_cast<const std::byte*>(p)); }
    for (T* const p : out) { buffers.out.push_back(reinterpret_cast<std::byte*>(p)); }
    return buffers;
}

/// Enqueues a collective by copies.
/// @param chunk_bytes 0, or the size of the pieces that are combined
template <class T, class Op>
void launch_copies(std::unique_ptr<copy_room>& room, group_resources& group, collective kind, int root,
                   std::span<const T* const> in, std::span<T* const> out, std::size_t count, const Op& op,
                   std::size_t chunk_bytes) {
    const auto ranks = static_cast<int>(in.size());
    if constexpr (combines_copies<Op, T>) { check_operator(op, ranks); }
    const copy_buffers buffers = bytes_of(in, out);
    std::vector<bool> in_place;
    for (std::size_t r = 0; r < in.size(); ++r) {
        in_place.push_back(in[r] == out[r] + (is_sharded(kind) ? r * count : 0));
    }
    const tuning& tuned = group.memory().tuned;
    const copy_shape shape = shape_copies(copy_call_of(kind, ranks, count, sizeof(T)), sizeof(T), chunk_bytes, tuned);
    const int blocks = group.memory().blocks;
    if (room == nullptr) { room = std::make_unique<copy_room>(group); }
    const auto combine = [&](const copy_step& step, std::span<const std::byte* const> from, std::byte* to,
                             cudaStream_t stream) {
        if constexpr (combines_copies<Op, T>) {
            combine_call<T> call{};
            for (std::size_t r = 0; r < from.size(); ++r) { call.from[r] = reinterpret_cast<const T*>(from[r]); }
            call.to = reinterpret_cast<T*>(to);
            call.count = static_cast<std::uint32_t>(step.count);
            call.ranks = ranks;
            launch_combine(call, op, blocks, stream);
        }
    };
    room->run(plan_copies(kind, ranks, root, count, in_place, shape), buffers, combine);
}

} // namespace blink::cuda
