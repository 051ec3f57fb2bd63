// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call goes by copy engines, and its launch if it does; between the GPUs of one process.
#pragma once

#include <blink/communicator/copy_job.cuh>
#include <blink/communicator/copy_room.cuh>
#include <blink/communicator/cuda_resources.cuh>
#include <blink/communicator/share_timer.cuh>
#include <blink/communicator/stream_facts.cuh>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/reduction.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/host_shares.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace blink::cuda {

/// What of a group decides whether its calls may go by copies.
struct copy_ways {
    bool straight = false; ///< a GPU for each rank, which all reach each other and see each other's buffers
    bool pays = false;     ///< straight ways over NVLink
};

/// Whether copies, which `takes_copies` chose, can carry the call.
/// @throw usage_error where they were asked for and cannot
[[nodiscard]] BLINK_SELDOM inline bool can_copy(protocol how, std::string_view name, bool fits, const copy_ways& ways,
                                                std::span<const device_ranks> devices) {
    const bool asked = how == protocol::copies;
    const bool possible = ways.straight && fits && devices.size() > 1 && (asked || ways.pays) && may_meet(devices);
    if (asked && !possible) {
        throw usage_error("protocol copies cannot carry this " + std::string(name) +
                          ": it takes two or more GPUs of one process that all reach each other, a rank on each, "
                          "buffers that all of them may use, no operator that prepares inputs, and streams of which "
                          "none is captured or all into one graph");
    }
    return possible;
}

/// A collective by copies, cut.
struct cut_copies {
    shared_call which;
    copy_program program;
    std::unique_ptr<copy_marks> marks; ///< null for most calls
    int most_blocks;                   ///< of a kernel that combines; 0: as many as suit it
};

/// Cuts a collective for copies.
/// @param in_place as of `plan_copies`
[[nodiscard]] BLINK_SELDOM inline cut_copies cut(share_timer& shares, const group_resources& group,
                                                 const shared_call& which, std::size_t count, std::size_t element_bytes,
                                                 std::size_t chunk_bytes) {
    const int ranks = static_cast<int>(group.devices().size());
    const copy_call call = copy_call_of(which.kind, ranks, count, element_bytes);
    cut_copies made{which, {}, nullptr, group.memory().blocks};
    made.which.crossing = call.crossing;
    copy_shape shape = shape_copies(call, element_bytes, chunk_bytes, group.memory().tuned);
    // A share that streams have learnt may be slower than the tuned one in graphs of several calls.
    if (chunk_bytes == 0 && !is_captured(group.devices().front().stream)) {
        made.marks = shares.choose(made.which, most_host_share(call, group.memory().tuned), shape);
    }
    made.program = make_program(plan_copies(which.kind, ranks, which.root, count, which.in_place, shape));
    const auto leave_room = [&](int blocks) {
        made.most_blocks = made.most_blocks > 0 ? std::min(made.most_blocks, blocks) : blocks;
    };
    if (made.program.by_kernels > 0) {
        leave_room(blocks_beside_kernels);
    } else if (ranks == 2 && which.kind == collective::allreduce) {
        leave_room(blocks_beside_copies);
    }
    return made;
}

/// Enqueues a collective by copies.
/// @param room made where there is none
/// @param shares gives calls that are not captured and whose chunk is left open their share over the host
/// @param chunk_bytes 0, or the size of the pieces that are combined
/// @param kernels `kernels(n)` enqueues the collective over trees for the first n elements, of each shard where it has
///        some
template <class T, class Op, class Kernels>
BLINK_SELDOM void launch_copies(std::unique_ptr<copy_room>& room, share_timer& shares, group_resources& group,
                                collective kind, int root, std::span<const T* const> in, std::span<T* const> out,
                                std::size_t count, const Op& op, std::size_t chunk_bytes, const Kernels& kernels) {
    const auto ranks = static_cast<int>(in.size());
    shared_call which{kind, is_rooted(kind) ? root : 0, 0, 0};
    for (std::size_t r = 0; r < in.size(); ++r) {
        which.in_place |= std::uint64_t{in[r] == out[r] + (is_sharded(kind) ? r * count : 0)} << r;
    }
    cut_copies call = cut(shares, group, which, count, sizeof(T), chunk_bytes);
    copy_job job = job_of<T>(in, out);
    const combine_with<Op> with{op, ranks, call.most_blocks};
    let_combine<T>(job, with);
    if (room == nullptr) { room = std::make_unique<copy_room>(group); }
    const kernel_launcher launcher{
        [](const void* what, std::size_t elements) { (*static_cast<const Kernels*>(what))(elements); }, &kernels};
    room->run(call.program, job, launcher, call.marks.get());
    shares.begun(call.which, std::move(call.marks));
    for (const device_ranks& d : group.devices()) { d.goes_on(); }
}

} // namespace blink::cuda
