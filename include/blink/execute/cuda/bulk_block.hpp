// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The block program for GPUs whose multiprocessors copy in bulk (compute capability 9.0): the protocol of
/// `tree_block`, flag by flag, so that ranks which run either meet in one call.
///
/// Almost nothing passes through registers. Of each flow, up and down, a thread or two start loads into the stages of a
/// ring; others start the stores of a chunk, a piece each in turn, wait until those are complete, and announce the
/// chunk: while some wait and fence, others have begun the next chunk. Where there is something to combine, groups of
/// teams take stages in turn and leave the results in another ring.
///
/// Not for relay stops, staged or pulled calls. All buffers lie on 16 bytes; what is left at the end of a part and too
/// short for a bulk copy is moved by the threads that load and store.
///
/// `Machine` also has barriers that count bytes, and bulk copies: `bulk_machine` in a kernel, threads in tests.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/bulk_choice.hpp>
#include <blink/execute/cuda/bulk_loads.hpp>
#include <blink/execute/cuda/bulk_ring.hpp>
#include <blink/execute/cuda/bulk_stores.hpp>
#include <blink/execute/cuda/bulk_waits.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/tree_block.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace blink::cuda {

/// Some threads that combine; see `combine_chunk`.
struct combining_threads {
    int thread;
    int threads;
};

/// The threads that combine every stage whose turn it is among `bulk_groups` into a result.
/// @param turn of this group
template <class Context, class Flow, class T, class Op>
BLINK_DEVICE_CODE inline void combine_flow(const Context& at, const Flow& flow, std::uint32_t* stop, std::uint32_t turn,
                                           const combining_threads& group, const T* const* sources, const Op& op,
                                           int finish_ranks) {
    const bool leads = at.machine.thread() % at.machine.team_threads == 0;
    const std::uint32_t pieces = (at.chunk_elements - 1) / flow.piece + 1; // of a full chunk
    ring_cursor from = ring_cursor::of(turn, flow.stages);
    ring_cursor to = ring_cursor::of(turn, flow.results);
    std::uint32_t in_chunk = turn;
    for (std::uint32_t c = 0; c < at.chunks; in_chunk -= pieces, ++c) {
        const std::uint32_t n = at.chunk_size(c);
        for (; in_chunk * flow.piece < n; in_chunk += bulk_groups) {
            const std::uint32_t first = in_chunk * flow.piece;
            const bool ok =
                wait_phase(at.machine, flow.at->full[from.index], from.parity, stop) &&
                (flow.sources == 1 || wait_phase(at.machine, flow.at->joined[from.index], from.parity, stop)) &&
                wait_phase(at.machine, flow.at->vacant[to.index], to.parity ^ 1U, stop);
            if (!at.machine.team_all(ok)) { return; }
            chunk_io<T> io{};
            io.own = flow.stage(from.index);
            io.contributor = at.rank;
            io.sources = sources;
            io.source_offset = std::size_t{from.index} * flow.sources * flow.piece;
            io.children = static_cast<int>(flow.sources) - 1;
            io.slot = flow.result(to.index);
            io.targets = 1;
            combine_chunk(group, n - first < flow.piece ? n - first : flow.piece, io, true, op, finish_ranks);
            at.machine.shared_proxy_fence(); // what was stored here is read in bulk
            at.machine.team_sync();
            if (leads) {
                at.machine.arrive(flow.at->empty[from.index]);
                at.machine.arrive(flow.at->done[to.index]);
            }
            from.advance(bulk_groups);
            to.advance(bulk_groups);
        }
    }
}

/// Someone who is only given results waits for all of them.
template <class Context>
BLINK_DEVICE_CODE inline void await_results(const Context& at, std::uint32_t* stop, int giver) {
    for (std::uint32_t c = 0; c < at.chunks; ++c) {
        if (!at.wait(&at.flags_of(at.rank).result_arrived[giver], c + 1, awaited::result, giver, c)) {
            return at.machine.stop(stop);
        }
    }
}

template <class Machine, class Barrier>
BLINK_DEVICE_CODE inline void make_barriers(const Machine& machine, bulk_barriers<Barrier>& b, std::uint32_t stages,
                                            std::uint32_t results, std::uint32_t combiners) {
    for (std::uint32_t i = 0; i < stages; ++i) {
        machine.make_barrier(b.full[i], 1);
        machine.make_barrier(b.joined[i], 1);
        machine.make_barrier(b.empty[i], results > 0 ? combiners : 1);
    }
    for (std::uint32_t i = 0; i < results; ++i) {
        machine.make_barrier(b.done[i], combiners);
        machine.make_barrier(b.vacant[i], 1);
    }
    for (int i = 0; i < bulk_storers; ++i) {
        machine.make_barrier(b.started[i], bulk_issuers);
        machine.make_barrier(b.stored[i], bulk_issuers);
        machine.make_barrier(b.told[i], 1);
    }
}

/// The program of every thread of a block: of `bulk_other_teams` teams, and a multiple of `bulk_groups` that combine.
/// @param memory of the rings, on 16 bytes
template <class Machine, class T, class Op, device_schedule Schedule, class Barrier>
BLINK_DEVICE_CODE inline void bulk_block(const Machine& machine, const tree_call<T>& call, const Schedule& schedule,
                                         const Op& op, const bulk_sizes& sizes, bulk_shared<T, Barrier>& shared,
                                         std::byte* memory) {
    static_assert(travels_in_bulk<T>);
    const auto at = locate(machine, call);
    const int up_parent = call.up ? schedule.reduce_parent(at.lane, at.rank) : no_rank;
    const int down_parent = call.down ? schedule.broadcast_parent(at.lane, at.rank) : no_rank;
    const bool is_root = down_parent == no_rank && up_parent == no_rank;
    const bool sends_up = call.up || is_root;
    const rank_list readers = call.down ? broadcast_children(schedule, at.lane, at.rank, call.ranks) : rank_list{};
    const rank_list children = call.up ? reduce_children(schedule, at.lane, at.rank, call.ranks) : rank_list{};
    const bool finishes = call.up && up_parent == no_rank;
    const bool combines = call.up && (children.count > 0 || finishes || preparing_operator<Op, T>);
    const bool passes_on = down_parent != no_rank && readers.count > 0;
    const std::uint32_t sources = sends_up ? static_cast<std::uint32_t>(children.count) + 1U : 0U;
    const bulk_layout layout = bulk_layout::of(sizes, sources, combines, passes_on);

    const auto piece = static_cast<std::uint32_t>(layout.piece / sizeof(T));
    T* const rings = reinterpret_cast<T*>(memory);
    bulk_flow<T, Barrier> up{&shared.up, rings, rings, piece, sources, layout.up_stages, layout.up_stages, false};
    if (combines) {
        up.stored = up.stage(up.stages);
        up.results = layout.up_results;
        up.combines = true;
    }
    T* const below = up.stored + std::size_t{up.results} * piece;
    const bulk_flow<T, Barrier> down{&shared.down,       below, below, piece, 1, layout.down_stages,
                                     layout.down_stages, false};

    const int team = machine.thread() / machine.team_threads;
    const int combiners = (machine.threads() / machine.team_threads - bulk_other_teams) / bulk_groups; // of a group
    if (machine.thread() == 0) {
        shared.stop = 0;
        make_barriers(machine, shared.up, up.stages, layout.up_results, static_cast<std::uint32_t>(combiners));
        make_barriers(machine, shared.down, down.stages, 0, 0);
        machine.barriers_made();
    }
    if (machine.thread() < children.count) {
        shared.sources[machine.thread()] = rings + (static_cast<std::uint32_t>(machine.thread()) + 1U) * piece;
    }
    machine.sync();

    std::uint32_t* const stop = &shared.stop;
    if (team >= bulk_other_teams) {
        if constexpr (!std::is_same_v<Op, first_of_two>) {
            const int each = combiners * machine.team_threads;
            const int thread = machine.thread() - bulk_other_teams * machine.team_threads;
            if (combines) {
                combine_flow(at, up, stop, static_cast<std::uint32_t>(thread / each), {thread % each, each},
                             shared.sources, op, finishes ? static_cast<int>(call.ranks) : 0);
            }
        }
    } else if (machine.thread() % machine.team_threads == 0) {
        const bool goes_up = team < bulk_up_teams;
        const int role = goes_up ? team : team - bulk_up_teams;
        const auto storer = static_cast<std::uint32_t>(role - (goes_up ? 2 : 1));
        if (goes_up && sends_up) {
            const T* const in = call.in[at.rank] + at.in_begin;
            if (role == 0) {
                load_flow(at, up, stop, up.at->full, bulk_source<T>{{}, in, no_rank});
            } else if (role == 1 && children.count > 0) {
                // This rank is in the call and its slots are empty; see `tree_block` for this and `output_ready`.
                at.machine.fence();
                for (int i = 0; i < children.count; ++i) {
                    at.machine.store(&at.flags_of(children[i]).room_granted[at.rank], flag_value(at.number, 0));
                }
                load_flow(at, up, stop, up.at->joined, bulk_source<T>{children, nullptr, no_rank});
            } else if (role > 1) {
                const bool keeps = is_root && (call.up || call.out[at.rank] + at.out_begin != in);
                bulk_targets to{up_parent, 0, keeps ? 1 : 0, {}, children};
                if (up_parent != no_rank) {
                    to.place = reduce_children(schedule, at.lane, up_parent, call.ranks).find(at.rank);
                } else {
                    to.readers = is_root ? readers : rank_list{};
                }
                store_flow(at, up, stop, to, storer);
            }
        } else if (!goes_up && down_parent != no_rank) {
            if (role == 0) {
                at.machine.fence();
                at.machine.store(&at.flags_of(down_parent).output_ready[at.rank], flag_value(at.number, 0));
                if (passes_on) {
                    load_flow(at, down, stop, down.at->full,
                              bulk_source<T>{{}, call.out[at.rank] + at.out_begin, down_parent});
                } else {
                    await_results(at, stop, down_parent);
                }
            } else if (passes_on) {
                store_flow(at, down, stop, {no_rank, 0, 0, readers, {}}, storer);
            }
        }
    }
    machine.sync();
    if (machine.thread() == 0) { at.flags_of(at.rank).call = at.number; }
}

} // namespace blink::cuda
