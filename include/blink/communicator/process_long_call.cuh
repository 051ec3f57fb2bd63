// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Whether a call between processes goes by copy engines, and the launch of this rank's part if it does.
#pragma once

#include <blink/communicator/copy_job.cuh>
#include <blink/communicator/process_copies.cuh>
#include <blink/communicator/process_resources.cuh>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/reduction.hpp>
#include <blink/core/tuning.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_kernel.cuh>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/move_kernel.cuh>
#include <blink/execute/cuda/rank_program.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace blink::cuda {

/// A call between processes, as all ranks know it.
struct process_call {
    collective kind = collective::allreduce;
    int root = 0;
    std::size_t count = 0;
    std::size_t element_bytes = 0;
    protocol how = protocol::automatic;
    std::size_t chunk_bytes = 0; ///< 0: as suits the call
    bool combines = false;       ///< its operator is one that kernels of one rank apply
    bool direct = false;         ///< ranks may store into each other's outputs
    bool pays = false;           ///< straight ways over NVLink
};

/// How a call between processes is tuned. Two processes meet later than two streams of one, and their way over the host
/// was slower, between two H200s: a broadcast takes copies from twice the size on, and what is only moved has three
/// quarters of the share.
[[nodiscard]] BLINK_SELDOM inline tuning tuned_for_processes(tuning tuned, const copy_call& call, bool with_host) {
    if (!with_host) {
        tuned.host_share = tuned.host_share_both = tuned.host_share_all_reduce = tuned.host_share_beside_kernels = 0;
    }
    if (!call.combines) {
        tuned.host_share = tuned.host_share * 3 / 4;
        tuned.host_share_both = tuned.host_share_both * 3 / 4;
        if (!call.both_ways) { tuned.copies_from *= 2; }
    }
    return tuned;
}

/// This rank's part of a call by copies; none where it does not go so. Depends on nothing but what all ranks know: not
/// on whether a rank captures the call, nor on where its buffers are.
/// @throw usage_error where copies were asked for and cannot carry it
[[nodiscard]] BLINK_SELDOM inline std::optional<rank_program> part_by_copies(const process_resources& resources,
                                                                             const process_call& call) {
    const int ranks = resources.size();
    const copy_call asked = copy_call_of(call.kind, ranks, call.count, call.element_bytes);
    if (!takes_copies(call.how, asked, resources.memory().tuned, [] { return false; })) { return {}; } // most calls
    const bool by_name = call.how == protocol::copies;
    // Copies of an AllReduce that wait for flags on both GPUs were slower than kernels, between two H200s, so these
    // carry what goes over the link.
    const bool beside_kernels = !by_name && is_all_reduce(asked);
    const std::size_t host_bytes = resources.host_memory().bytes();
    tuning tuned = tuned_for_processes(resources.memory().tuned, asked, host_bytes > 0);
    if (beside_kernels) { tuned.host_share_all_reduce = tuned.host_share_beside_kernels; }
    if (!takes_copies(call.how, asked, tuned, [] { return false; })) { return {}; }
    const bool fits = reduces(call.kind) ? call.combines : call.direct;
    if (resources.may_copy() && fits && (by_name || call.pays)) {
        copy_shape shape = shape_copies(asked, call.element_bytes, call.chunk_bytes, tuned);
        shape.link_by_kernels = beside_kernels;
        if (beside_kernels && !(shape.host_share > 0)) { return {}; }
        shape.staged = call.combines && !(call.direct && hands_on(call.kind));
        if (shape.staged && is_all_reduce(asked)) { // results have slots too
            constexpr std::size_t most = process_layout::copy_slot_bytes * 2 / 9;
            shape.chunk = std::clamp<std::size_t>(most / call.element_bytes, 1, shape.chunk);
        }
        // Whether a rank's buffers are one is its own affair. Plans of reductions in place serve all buffers, and other
        // calls copy what need not be.
        copy_plan plan = plan_copies(call.kind, ranks, call.root, call.count, call.combines ? 3 : 0, shape);
        const std::size_t slot_bytes = resources.copies(resources.rank()).bytes;
        if (plan.slot_elements <= slot_bytes / call.element_bytes &&
            plan.host_elements <= host_bytes / call.element_bytes) {
            return part_of(make_program(std::move(plan)), resources.rank());
        }
    }
    if (by_name) {
        throw usage_error(
            "protocol copies cannot carry this " + std::string(to_string(call.kind)) +
            " between processes: it takes two ranks that reach each other, for what is not reduced an output "
            "that is registered and shared, and for a reduction "
            "process_options::copy_room, no operator that prepares inputs, and chunks that find room");
    }
    return {};
}

/// Enqueues this rank's part of a call by copies; false where it does not go so.
/// @param copies made where there are none yet
/// @param in, out by rank: this rank's own, and the outputs of all where `call.direct`
/// @param here this rank, on the stream of the call
/// @param kernels `kernels(n)` enqueues the collective over trees for the first n elements, of each shard where it has
///        some
template <class T, class Op, class Kernels>
BLINK_SELDOM bool launch_by_copies(std::unique_ptr<process_copies>& copies, const process_resources& resources,
                                   const process_call& call, std::span<const T* const> in, std::span<T* const> out,
                                   const Op& op, const device_ranks& here, const Kernels& kernels) {
    const std::optional<rank_program> part = part_by_copies(resources, call);
    if (!part) { return false; }
    copy_job job = job_of<T>(in, out);
    job.move = launch_move;
    const int blocks = resources.memory().blocks;
    const int beside = part->by_kernels > 0 ? blocks_beside_kernels : blocks_beside_copies;
    const combine_with<Op> with{op, resources.size(), blocks > 0 ? std::min(blocks, beside) : beside};
    let_combine<T>(job, with);
    if constexpr (combines_copies<Op, T>) { load_combine<T, Op>(); }
    if (copies == nullptr) { copies = std::make_unique<process_copies>(resources); }
    const kernel_launcher launcher{
        [](const void* what, std::size_t elements) { (*static_cast<const Kernels*>(what))(elements); }, &kernels};
    copies->run(*part, job, here.stream, launcher);
    here.goes_on();
    return true;
}

} // namespace blink::cuda
