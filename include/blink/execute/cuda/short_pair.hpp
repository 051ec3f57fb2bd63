// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The shortest AllReduces: two ranks, and no more than a cell for each thread.
///
/// They take as long as the instructions between a kernel's turn and its end, beside one trip over the wire, so all
/// that can be known before is computed before, and what is rare is kept apart. What crosses the wire is the same as in
/// `all_pairs_walk`, so each team may do either.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/pair_sum.hpp>
#include <blink/execute/cuda/stream.hpp>
#include <blink/execute/cuda/stream_context.hpp>
#include <blink/execute/cuda/unit_arithmetic.hpp>

#include <cstdint>

namespace blink::cuda {

/// A team's part in such a call.
template <class Machine, class T, class Op>
class short_pair {
  public:
    using context = stream_context<Machine, T>;

    /// @param at of a team that `has_single_row`
    BLINK_DEVICE_CODE short_pair(const Machine& machine, const context& at, const Op& op)
        : machine_(machine), at_(at), op_(op) {}

    /// Ends early after the deadline.
    BLINK_DEVICE_CODE void run() const {
        const int other = 1 - at_.rank;
        const auto row = at_.row_with(other);
        machine_.have(row.in, row.out, row.state, row.sent.first, row.taken.first, row.emptied);
        machine_.take_turn();
        const cell counted = machine_.load_cell(reinterpret_cast<const cell*>(row.state));
        const std::uint64_t room = machine_.peek(row.emptied);
        const unit<T> input = row.mine ? load<context::width>(row.in, 0) : unit<T>{};
        const stream_state state{counted.half[0], counted.half[1]};
        const std::uint64_t position = state.position;

        const unit<T> own = own_part<T>(op_, input, at_.rank);
        const cell goes = to_cells<T>(own).of[0];
        const cell travels = disguised(goes);
        if (!machine_.team_all(room + ring_rows > position)) [[unlikely]] {
            if (!wait_for_room(row.emptied, position, other)) { return; }
        }
        if (row.mine) {
            if (has_note(travels)) [[unlikely]] {
                machine_.store(row.sent.note_at(position, row.thread), note_of(goes, position));
            }
            machine_.store_cell(row.sent.at(position, row.thread), travels);
        }
        std::uint64_t told = state.told;
        if (position - told >= untold_rows) {
            at_.tell_all(position);
            told = position;
        }

        cell* const place = row.taken.at(position, row.thread);
        cell came{};
        const auto here = [&] {
            if (row.mine) { came = machine_.load_cell(place); }
            return machine_.team_all(is_here(came));
        };
        if (!wait_until<true>(machine_, *at_.call, here, [&] { return at_.missed(awaited::partial, other, 0); })) {
            return;
        }
        if (row.mine) { machine_.store_cell(place, cell{{filler, filler}}); }
        if (machine_.team_any(has_note(came))) [[unlikely]] {
            bool ok = true;
            if (has_note(came)) {
                const auto note = note_at(machine_, *at_.call, row.taken.note_at(position, row.thread), position,
                                          at_.missed(awaited::partial, other, 0));
                came = revealed(came, note.word);
                ok = note.is_here;
            }
            if (!machine_.team_all(ok)) { return; }
        }
        const unit<T> theirs = from_cells<T>(unit_in_cells<T>{{came}});
        if (row.mine) { store<context::width>(row.out, 0, total_of(own, theirs)); }
        if (row.thread == 0) { *row.state = {position + 1, told}; }
    }

  private:
    /// Combined in the order of the ranks.
    [[nodiscard]] BLINK_DEVICE_CODE unit<T> total_of(const unit<T>& own, const unit<T>& theirs) const {
        if constexpr (sums_pairs<Op, T>) {
            return sum_of_pair<T>(own, theirs);
        } else {
            unit<T> first;
            unit<T> second;
            BLINK_UNROLL
            for (int i = 0; i < context::width; ++i) {
                first.v[i] = at_.rank == 0 ? own.v[i] : theirs.v[i];
                second.v[i] = at_.rank == 0 ? theirs.v[i] : own.v[i];
            }
            auto total = converted<accumulator_of<Op, T>>(first);
            add<T>(op_, total, second);
            return complete<T>(op_, total, 2);
        }
    }

    /// False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_room(const std::uint64_t* emptied, std::uint64_t position,
                                                       int other) const {
        // The other rank may wait for the same.
        at_.tell_all(position);
        const std::uint64_t wanted = position + 1 - ring_rows;
        return machine_.team_all(room_from(machine_, *at_.call, emptied, wanted, at_.missed(awaited::room, other, 0)) >=
                                 wanted);
    }

    const Machine& machine_;
    const context& at_;
    const Op& op_;
};

} // namespace blink::cuda
