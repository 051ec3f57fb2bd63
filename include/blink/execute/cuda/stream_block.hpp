// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a block does in a call that travels in cells: its teams exchange units of elements over the trees of a
/// schedule, or straight from each rank to each other.
///
/// A thread waits for the cells of its own elements and no others, so a hop costs one trip over the wire. Ranks write
/// into rings of the library alone, never into each other's buffers, so nobody announces that he is in the call. A long
/// call goes in batches of several rows, of which results are awaited when the next batch is on its way; a short one
/// row by row, since a team's time is then that of its instructions.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/stream_batch.hpp>
#include <blink/execute/cuda/stream_context.hpp>

#include <cstdint>

namespace blink::cuda {

/// Rows of a batch in long calls.
template <class T>
inline constexpr int batch_rows = unit_cells<T> > 1 ? 1 : 2;

/// Calls `step(row that begins, row that ends)` with `N` rows at a time, `rows` where there is none: what ends is one
/// batch behind what begins. Stops where it returns false.
template <int N, class Step>
BLINK_DEVICE_CODE inline bool in_batches(std::uint32_t rows, const Step& step) {
    if (rows == 0) { return true; }
    for (std::uint32_t row = 0; row < rows + N; row += N) {
        if (!step(row, row == 0 ? rows : row - N)) { return false; }
        if (row >= rows) { break; }
    }
    return true;
}

/// A team's part in the trees of a schedule.
template <class Machine, class T, class Op, device_schedule Schedule>
class tree_walk {
  public:
    BLINK_DEVICE_CODE tree_walk(stream_context<Machine, T>& at, const Schedule& schedule, const Op& op)
        : at_(at), op_(op) {
        const stream_call<T>& call = *at.call;
        const int lane = at.part.lane;
        const int up_parent = call.up ? schedule.reduce_parent(lane, at.rank) : no_rank;
        const int down_parent = call.down ? schedule.broadcast_parent(lane, at.rank) : no_rank;
        if (call.up) { children_ = reduce_children(schedule, lane, at.rank, call.ranks); }
        if (call.down) { readers_ = broadcast_children(schedule, lane, at.rank, call.ranks); }
        if (up_parent != no_rank) { reduce_to_.add(up_parent); }
        if (down_parent != no_rank) { receive_from_.add(down_parent); }
        is_root_ = reduce_to_.count + receive_from_.count == 0;
        begins_ = call.up || is_root_;
        const T* const kept = call.out[at.rank];
        keeps_ =
            is_root_ && kept != nullptr && (call.up || kept + at.part.out_begin != call.in[at.rank] + at.part.in_begin);
    }

    template <int N>
    BLINK_DEVICE_CODE bool run() {
        batch<T, N> own{};
        if (begins_ && at_.rows > 0) { own = at_.template input<N>(0); }
        return in_batches<N>(at_.rows, [&](std::uint32_t begins, std::uint32_t ends) {
            if (begins_ && begins < at_.rows) {
                const batch<T, N> now = own;
                if (begins + N < at_.rows) { own = at_.template input<N>(begins + N); } // on its way meanwhile
                if (!begin<N>(begins, now)) { return false; }
            }
            return ends >= at_.rows || receive_from_.count == 0 || end<N>(ends);
        });
    }

    BLINK_DEVICE_CODE void enter() { at_.enter({reduce_to_, children_}, {readers_, receive_from_}); }

  private:
    /// Contributions on their way up, at the root also the result on its way down.
    template <int N>
    BLINK_DEVICE_CODE bool begin(std::uint32_t row, const batch<T, N>& own) {
        batch<T, N> result = own; // as it is, where nothing is combined
        if (at_.call->up) {
            auto total = contribution(op_, own, at_.rank);
            BLINK_NO_UNROLL
            for (int c = 0; c < children_.count; ++c) {
                batch<T, N> partial;
                if (!at_.receive(children_[c], way::up, row, partial)) { return false; }
                add(op_, total, partial);
            }
            at_.template tell<N>(children_, way::up, row);
            result = is_root_ ? complete(op_, total, at_.call->ranks) : rounded(total);
        }
        if (!at_.send(is_root_ ? readers_ : reduce_to_, is_root_ ? way::down : way::up, row, result)) { return false; }
        if (keeps_) { at_.keep(row, result); }
        return true;
    }

    /// A result that comes down.
    template <int N>
    BLINK_DEVICE_CODE bool end(std::uint32_t row) {
        batch<T, N> result;
        if (!at_.receive(receive_from_[0], way::down, row, result)) { return false; }
        at_.template tell<N>(receive_from_, way::down, row);
        if (!at_.send(readers_, way::down, row, result)) { return false; }
        at_.keep(row, result);
        return true;
    }

    stream_context<Machine, T>& at_;
    const Op& op_;
    rank_list children_, readers_, reduce_to_, receive_from_;
    bool is_root_ = false;
    bool begins_ = false; ///< has something to send by itself
    bool keeps_ = false;  ///< a root that writes its own output
};

/// A team's part in an AllReduce without trees: each rank sends its elements to all others and combines all
/// contributions in the order of the ranks, so that one trip is enough and all have the same bits.
template <class Machine, class T, class Op>
class all_pairs_walk {
  public:
    BLINK_DEVICE_CODE all_pairs_walk(stream_context<Machine, T>& at, const Op& op) : at_(at), op_(op) {
        BLINK_NO_UNROLL
        for (int r = 0; r < at.call->ranks; ++r) {
            if (r != at.rank) { others_.add(r); }
        }
    }

    BLINK_DEVICE_CODE void enter() { at_.enter({others_, others_}, {}); }

    template <int N>
    BLINK_DEVICE_CODE bool run() {
        batch<T, N> before{};
        batch<T, N> next{};
        if (at_.rows > 0) { next = at_.template input<N>(0); }
        return in_batches<N>(at_.rows, [&](std::uint32_t begins, std::uint32_t ends) {
            batch<T, N> own = next;
            if (begins < at_.rows) {
                if (begins + N < at_.rows) { next = at_.template input<N>(begins + N); } // on its way meanwhile
                // What is added here has to be what the others get.
                own = settled(rounded(contribution(op_, own, at_.rank)));
                if (!at_.send(others_, way::up, begins, own)) { return false; }
            }
            if (ends < at_.rows && !end(ends, before)) { return false; }
            before = own;
            return true;
        });
    }

  private:
    template <int N>
    BLINK_DEVICE_CODE bool end(std::uint32_t row, const batch<T, N>& own) {
        auto total = widened<Op>(own);
        BLINK_NO_UNROLL
        for (int r = 0; r < at_.call->ranks; ++r) {
            batch<T, N> from = own;
            if (r != at_.rank && !at_.receive(r, way::up, row, from)) { return false; }
            if (r == 0) {
                total = widened<Op>(from);
            } else {
                add(op_, total, from);
            }
        }
        at_.template tell<N>(others_, way::up, row);
        at_.keep(row, complete(op_, total, at_.call->ranks));
        return true;
    }

    stream_context<Machine, T>& at_;
    const Op& op_;
    rank_list others_;
};

/// The program of every thread of a block.
/// @tparam Straight from each rank to each other, without trees
template <bool Straight, class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void stream_block(const Machine& machine, const stream_call<T>& call, const Schedule& schedule,
                                           const Op& op) {
    stream_context<Machine, T> at(machine, call);
    const auto run = [&](auto walk) {
        walk.enter();
        constexpr int many = batch_rows<T>;
        if (at.rows <= 1 || many == 1 ? walk.template run<1>() : walk.template run<many>()) {
            at.greet();
            at.leave();
        }
    };
    if constexpr (Straight) {
        run(all_pairs_walk<Machine, T, Op>(at, op));
    } else {
        run(tree_walk<Machine, T, Op, Schedule>(at, schedule, op));
    }
}

} // namespace blink::cuda
