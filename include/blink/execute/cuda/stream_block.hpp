// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a block does in a call that travels in cells: its teams exchange units of elements over the trees of a
/// schedule, or straight from each rank to each other.
///
/// A thread waits for the cells of its own elements and no others, so a hop costs one trip over the wire. Ranks write
/// into rings of the library alone, never into each other's buffers, so nobody announces that he is in the call. The
/// result of a row is awaited when the next row is on its way, and the input of the one behind it is loaded meanwhile.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/pair_sum.hpp>
#include <blink/execute/cuda/short_pair.hpp>
#include <blink/execute/cuda/stream_context.hpp>
#include <blink/execute/cuda/unit_arithmetic.hpp>

#include <cstdint>

namespace blink::cuda {

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
        const T* const kept = call.out[at.rank];
        keeps_ =
            is_root_ && kept != nullptr && (call.up || kept + at.part.out_begin != call.in[at.rank] + at.part.in_begin);
    }

    /// False after the deadline.
    BLINK_DEVICE_CODE bool run() {
        at_.enter({reduce_to_, children_}, {readers_, receive_from_});
        const bool begins = at_.call->up || is_root_; // has something to send by itself
        const bool ends = receive_from_.count > 0;
        held_unit<T> next{};
        if (begins && at_.rows > 0) { next = at_.input(0); }
        for (std::uint32_t row = 0; row <= at_.rows; ++row) {
            if (begins && row < at_.rows) {
                const unit<T> own = unit_of<T>(next);
                if (row + 1 < at_.rows) { next = at_.input(row + 1); }
                if (!begin(row, own)) { return false; }
            }
            if (ends && row > 0 && !end(row - 1)) { return false; }
        }
        return true;
    }

  private:
    /// Contributions on their way up, at the root also the result on its way down.
    BLINK_DEVICE_CODE bool begin(std::uint32_t row, const unit<T>& own) {
        unit<T> result = own; // as it is, where nothing is combined
        if (at_.call->up) {
            auto total = contribution<T>(op_, own, at_.rank);
            BLINK_NO_UNROLL
            for (int c = 0; c < children_.count; ++c) {
                unit<T> partial;
                if (!at_.template receive<way::up>(children_[c], row, partial)) { return false; }
                add<T>(op_, total, partial);
            }
            at_.template tell<way::up>(children_, row);
            result = is_root_ ? complete<T>(op_, total, at_.call->ranks) : converted<T>(total);
        }
        if (is_root_) {
            if (!at_.template send<way::down>(readers_, row, result)) { return false; }
        } else if (!at_.template send<way::up>(reduce_to_, row, result)) {
            return false;
        }
        if (keeps_) { at_.keep(row, result); }
        return true;
    }

    /// A result that comes down.
    BLINK_DEVICE_CODE bool end(std::uint32_t row) {
        unit<T> result;
        if (!at_.template receive<way::down>(receive_from_[0], row, result)) { return false; }
        at_.template tell<way::down>(receive_from_, row);
        if (!at_.template send<way::down>(readers_, row, result)) { return false; }
        at_.keep(row, result);
        return true;
    }

    stream_context<Machine, T>& at_;
    const Op& op_;
    rank_list children_, readers_, reduce_to_, receive_from_;
    bool is_root_ = false;
    bool keeps_ = false; ///< a root that writes its own output
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

    /// False after the deadline.
    BLINK_DEVICE_CODE bool run() {
        at_.enter({others_, others_}, {});
        held_unit<T> before{};
        held_unit<T> next{};
        if (at_.rows > 0) { next = at_.input(0); }
        for (std::uint32_t row = 0; row <= at_.rows; ++row) {
            unit<T> own = unit_of<T>(next);
            if (row < at_.rows) {
                if (row + 1 < at_.rows) { next = at_.input(row + 1); }
                own = own_part<T>(op_, own, at_.rank);
                if (!at_.template send<way::up>(others_, row, own)) { return false; }
            }
            if (row > 0 && !end(row - 1, unit_of<T>(before))) { return false; }
            before = held<T>(own);
        }
        return true;
    }

  private:
    /// Combines what all ranks sent of `row`. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool sum(std::uint32_t row, const unit<T>& own, unit_total<T, Op>& total) {
        BLINK_NO_UNROLL
        for (int r = 0; r < at_.call->ranks; ++r) {
            unit<T> from = own;
            if (r != at_.rank && !at_.template receive<way::up>(r, row, from)) { return false; }
            if (r == 0) {
                total = converted<accumulator_of<Op, T>>(from);
            } else {
                add<T>(op_, total, from);
            }
        }
        return true;
    }

    BLINK_DEVICE_CODE bool end(std::uint32_t row, const unit<T>& own) {
        if constexpr (sums_pairs<Op, T>) {
            if (at_.call->ranks == 2) { return end_pair(row, own); }
        }
        unit_total<T, Op> total;
        if (!sum(row, own, total)) { return false; }
        at_.template tell<way::up>(others_, row);
        at_.keep(row, complete<T>(op_, total, at_.call->ranks));
        return true;
    }

    /// The same between two ranks.
    BLINK_DEVICE_CODE bool end_pair(std::uint32_t row, const unit<T>& own) {
        unit<T> theirs;
        if (!at_.template receive<way::up>(1 - at_.rank, row, theirs)) { return false; }
        at_.template tell<way::up>(others_, row);
        at_.keep(row, sum_of_pair<T>(own, theirs));
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
        if (walk.run()) { at.leave(); }
    };
    if constexpr (Straight) {
        if (call.ranks == 2 && at.has_single_row()) { return short_pair<Machine, T, Op>(machine, at, op).run(); }
        run(all_pairs_walk<Machine, T, Op>(at, op));
    } else {
        run(tree_walk<Machine, T, Op, Schedule>(at, schedule, op));
    }
}

} // namespace blink::cuda
