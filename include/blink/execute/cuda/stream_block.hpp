// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a block does in a call that travels in cells: its teams exchange units of elements over the trees of a
/// schedule, or straight from each rank to each other.
///
/// A thread waits for the cells of its own elements and no others, so a hop costs one trip over the wire. Ranks write
/// into rings of the library alone, never into each other's buffers, so nobody announces that he is in the call. A team
/// works in batches of some units a thread; results of a batch are awaited when the next one is on its way.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/stream_context.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstdint>

namespace blink::cuda {

/// The program of a team over the trees of `schedule`.
template <class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void run_trees(stream_context<Machine, T>& at, const Schedule& schedule, const Op& op) {
    using context = stream_context<Machine, T>;
    const stream_call<T>& call = *at.call;
    const int lane = at.part.lane;
    const int up_parent = call.up ? schedule.reduce_parent(lane, at.rank) : no_rank;
    const int down_parent = call.down ? schedule.broadcast_parent(lane, at.rank) : no_rank;
    const bool is_root = up_parent == no_rank && down_parent == no_rank;
    const rank_list children = call.up ? reduce_children(schedule, lane, at.rank, call.ranks) : rank_list{};
    const rank_list readers = call.down ? broadcast_children(schedule, lane, at.rank, call.ranks) : rank_list{};
    rank_list parent;
    if (up_parent != no_rank) { parent.add(up_parent); }
    const T* const kept = call.out[at.rank];
    const bool keeps =
        is_root && kept != nullptr && (call.up || kept + at.part.out_begin != call.in[at.rank] + at.part.in_begin);

    at.enter(parent, readers);
    const bool begins = call.up || is_root;
    if (!begins) { at.greet(); }
    for (std::uint32_t b = 0; b <= at.batches; ++b) {
        if (begins && b < at.batches) {
            typename context::batch result;
            if (call.up) {
                auto total = at.contribution(op, b);
                if (b == 0) { at.greet(); }
                for (int c = 0; c < children.count; ++c) {
                    typename context::batch partial;
                    if (!at.receive(children[c], way::up, b, partial)) { return; }
                    at.add(op, total, partial);
                }
                at.tell(children, way::up, b);
                result = is_root ? at.complete(op, total) : at.rounded(total);
            } else {
                result = at.input(b); // as it is: nothing is combined
                if (b == 0) { at.greet(); }
            }
            if (up_parent != no_rank && !at.send(parent, way::up, b, result)) { return; }
            if (is_root && !at.send(readers, way::down, b, result)) { return; }
            if (keeps) { at.keep(b, result); }
        }
        if (down_parent != no_rank && b > 0) {
            typename context::batch result;
            if (!at.receive(down_parent, way::down, b - 1, result)) { return; }
            rank_list from;
            from.add(down_parent);
            at.tell(from, way::down, b - 1);
            if (!at.send(readers, way::down, b - 1, result)) { return; }
            at.keep(b - 1, result);
        }
    }
    at.leave();
}

/// The program of a team in an AllReduce without trees: each rank sends its elements to all others and combines all
/// contributions in the order of the ranks, so that one trip is enough and all have the same bits.
template <class Machine, class T, class Op>
BLINK_DEVICE_CODE inline void run_all_pairs(stream_context<Machine, T>& at, const Op& op) {
    using context = stream_context<Machine, T>;
    const int ranks = at.call->ranks;
    rank_list others;
    for (int r = 0; r < ranks; ++r) {
        if (r != at.rank) { others.add(r); }
    }
    at.enter(others, rank_list{});
    typename context::batch before{};
    for (std::uint32_t b = 0; b <= at.batches; ++b) {
        typename context::batch own{};
        if (b < at.batches) {
            // What is added here has to be what the others get.
            own = at.rounded(at.contribution(op, b));
            BLINK_UNROLL
            for (auto& x : own.of) { x = settled(x); }
            if (b == 0) { at.greet(); }
            if (!at.send(others, way::up, b, own)) { return; }
        }
        if (b > 0) {
            auto total = at.template widened<Op>(before);
            for (int r = 0; r < ranks; ++r) {
                typename context::batch contribution = before;
                if (r != at.rank && !at.receive(r, way::up, b - 1, contribution)) { return; }
                if (r == 0) {
                    total = at.template widened<Op>(contribution);
                } else {
                    at.add(op, total, contribution);
                }
            }
            at.tell(others, way::up, b - 1);
            at.keep(b - 1, at.complete(op, total));
        }
        before = own;
    }
    at.leave();
}

/// The program of every thread of a block.
/// @tparam Straight from each rank to each other, without trees
template <bool Straight, class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void stream_block(const Machine& machine, const stream_call<T>& call, const Schedule& schedule,
                                           const Op& op) {
    stream_context<Machine, T> at(machine, call);
    if constexpr (Straight) {
        run_all_pairs(at, op);
    } else {
        run_trees(at, schedule, op);
    }
}

} // namespace blink::cuda
