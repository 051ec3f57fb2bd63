// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a user may say about one call, and about a group of ranks. Both are aggregates with good defaults:
/// `blink::allreduce(gpus, in, out, n, blink::sum{}, {.chunk = blink::fixed_chunk{64_KiB}, .slack = 0.0})`.
#pragma once

#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/chunk.hpp>
#include <blink/topology/topology.hpp>

#include <chrono>
#include <optional>
#include <vector>

namespace blink {

class registered_buffer;

/// Choices of one call. Calls that differ in `chunk`, `how` and `into` alone share one plan.
struct options {
    chunk_choice chunk{};                       ///< size of the pieces that pass through a tree
    link_choice links = link_choice::automatic; ///< wires that may be used
    double slack = 0.05;                        ///< share of the rate that may be given up for fewer trees
    int max_trees = 0;                          ///< 0: as many as the slack asks for
    protocol how = protocol::automatic;         ///< in which form data cross the wires between GPUs
    std::vector<int> relays{};                  ///< GPUs of the machine that take no part and may forward
    const registered_buffer* into = nullptr;    ///< of a `communicator`: the output lies there, see its header
};

/// The part of the options that decides the plan.
[[nodiscard]] inline plan_options planning(const options& o) {
    plan_options p;
    p.links = o.links;
    p.pack.slack = o.slack;
    p.pack.max_trees = o.max_trees;
    p.relays = o.relays;
    return p;
}

/// Who takes part in a group, and how long a rank may wait.
struct group_options {
    int ranks = 0;                             ///< 0: one for each of `gpus`, or each GPU of the machine
    std::optional<topology> machine{};         ///< none: what the group finds; host ranks play a DGX-1V
    std::vector<int> gpus{};                   ///< rank -> GPU of the machine; empty: 0, 1, 2, ...
    std::vector<int> devices{};                ///< rank -> CUDA device; empty: as `gpus` and `machine` say
    std::chrono::milliseconds timeout{10'000}; ///< a rank that waits longer for one chunk fails the group
    int threads = 0;                           ///< host threads; 0: as many as the hardware runs at once
    int virtual_ranks = 0;                     ///< ranks that share one GPU; 0: a GPU each
    int blocks = 0;                            ///< thread blocks a rank and collective on a GPU; 0: as tuned
    tuning tuned{};                            ///< how GPUs run what is left open, such as `read_tuning(file)`
    bool staged = false;                       ///< on GPUs no rank touches another's buffers, as between processes
    bool learn_host_share = true;              ///< calls on streams correct the shares that copies send over the host
    bool checks_buffers = true; ///< on GPUs of one process; false: the caller has, before each collective
};

} // namespace blink
