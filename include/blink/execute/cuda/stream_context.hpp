// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where a team stands in a call that travels in cells, and its ways to other ranks.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/stream.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// Everything here is called by all threads of a team together. A row is a unit of each thread of the team; rows are
/// counted within the call, positions from the beginning of the stream.
template <class Machine, class T>
class stream_context {
  public:
    static constexpr int cells = unit_cells<T>;
    static constexpr int width = unit_elements<T>;

    const stream_call<T>* call;
    int rank;
    block_part part;
    std::uint32_t rows = 0; ///< of this team in this call

    /// Reads nothing but the call, so it may come before the kernel's turn.
    BLINK_DEVICE_CODE stream_context(const Machine& machine, const stream_call<T>& c)
        : call(&c), rank(c.local_ranks[machine.local_rank()]), part(part_of_streams(c, machine.block())),
          machine_(machine), thread_(machine.thread() % Machine::team_threads),
          team_(machine.thread() / Machine::team_threads) {
        const std::uint64_t all = (part.elements + width - 1) / width;
        const auto first = static_cast<unsigned>(machine.thread());
        const auto whole_rows = static_cast<std::uint32_t>(all >> c.thread_bits);
        const auto rest = static_cast<unsigned>(all) & ((1U << c.thread_bits) - 1);
        rows = whole_rows + (rest > static_cast<unsigned>(team_ * Machine::team_threads) ? 1 : 0);
        own_rows_ = whole_rows + (rest > first ? 1 : 0);
        const bool has_last = own_rows_ > 0 && (std::uint64_t{own_rows_ - 1} << c.thread_bits) + first + 1 == all;
        last_filled_ = has_last ? static_cast<int>(part.elements - (all - 1) * width) : width;
        step_ = std::size_t{width} << c.thread_bits;
        const std::size_t own_begin = std::size_t{first} * width;
        if (c.in[rank] != nullptr) { in_ = c.in[rank] + part.in_begin + own_begin; }
        if (c.out[rank] != nullptr) { out_ = c.out[rank] + part.out_begin + own_begin; }
        wide_in_ = width > 1 && aligned(in_);
        wide_out_ = width > 1 && aligned(out_);
    }

    /// Whom this team meets on one way.
    struct neighbours {
        rank_list readers; ///< that it sends to
        rank_list writers; ///< that it takes from
    };

    /// Begins the call. All that can be known before the kernel's turn is known then, since a short call takes as long
    /// as it is to the last store to another GPU, and a trip there and back. What is read here is not waited for.
    BLINK_DEVICE_CODE void enter(const neighbours& up, const neighbours& down) {
        std::uint64_t* const position = &call->flags[rank][machine_.block()].position[team_];
        const int other = thread_ / 2;
        if (other < call->ranks && other != rank) { greeted_ = told(other, static_cast<way>(thread_ & 1)); }
        const auto meet = [&](way on, const neighbours& with) {
            met& m = met_[static_cast<int>(on)];
            if (with.readers.count > 0) {
                m.reader = with.readers[0];
                m.sent = ring_at(m.reader, rank, on);
            }
            if (with.writers.count > 0) {
                m.writer = with.writers[0];
                m.taken = ring_at(rank, m.writer, on);
            }
            if (thread_ < with.readers.count) { m.emptied = emptied(on, with.readers[thread_]); }
            machine_.have(m.sent.first, m.taken.first, m.emptied);
        };
        meet(way::up, up);
        meet(way::down, down);
        machine_.have(position, greeted_);
        machine_.take_turn();
        if (rows == 0) { return; }
        begin_ = machine_.peek(position);
        for (met& m : met_) {
            if (m.emptied != nullptr) { m.room = machine_.peek(m.emptied); }
        }
    }

    /// Ends it.
    BLINK_DEVICE_CODE void leave() {
        greet();
        if (thread_ == 0 && rows > 0) {
            call->flags[rank][machine_.block()].position[team_] = begin_ + std::uint64_t{rows} * cells;
        }
    }

    /// This thread's elements in `row`: sixteen bytes at a time where inputs can be read so, else one by one.
    [[nodiscard]] BLINK_DEVICE_CODE unit<T> input(std::uint32_t row) const {
        const T* const from = in_ + row * step_;
        const int n = filled(row);
        if (wide_in_ && n == width) { return load<width>(from, 0); }
        unit<T> x{};
        BLINK_NO_UNROLL
        for (int e = 0; e < n; ++e) { x.v[e] = from[e]; }
        return x;
    }

    /// Writes them to the output likewise.
    BLINK_DEVICE_CODE void keep(std::uint32_t row, const unit<T>& x) const {
        T* const to = out_ + row * step_;
        const int n = filled(row);
        if (wide_out_ && n == width) { return store<width>(to, 0, x); }
        const unit<T> singles = x;
        BLINK_NO_UNROLL
        for (int e = 0; e < n; ++e) { to[e] = singles.v[e]; }
    }

    /// Sends `row` to each of `readers`, once they have room. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool send(const rank_list& readers, way on, std::uint32_t row, const unit<T>& x) {
        if (readers.count == 0) { return true; }
        const met& m = met_[static_cast<int>(on)];
        const std::uint64_t end = position(row + 1, 0);
        if (!machine_.team_all(m.room + ring_rows >= end || thread_ >= readers.count) &&
            !wait_for_room(readers, on, end, row)) {
            return false;
        }
        if (row >= own_rows_) { return true; }
        const unit_in_cells<T> y = to_cells<T>(x);
        store_cells(m.sent, row, y);
        BLINK_NO_UNROLL
        for (int r = 1; r < readers.count; ++r) { store_cells(ring_at(readers[r], rank, on), row, y); }
        return true;
    }

    /// Takes `row` of `writer`, and empties its cells. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool receive(int writer, way on, std::uint32_t row, unit<T>& x) {
        greet();
        const met& m = met_[static_cast<int>(on)];
        const ring from = writer == m.writer ? m.taken : ring_at(rank, writer, on);
        const bool mine = row < own_rows_;
        unit_in_cells<T> y{};
        const auto here = [&] {
            bool all = true;
            BLINK_UNROLL
            for (int c = 0; c < cells; ++c) {
                if (mine) { y.of[c] = machine_.load_cell(from.at(position(row, c), thread_)); }
                all = all && is_here(y.of[c]);
            }
            return machine_.team_all(all);
        };
        const auto missing = [&] { return missed(on == way::down ? awaited::result : awaited::partial, writer, row); };
        if (!wait_until(machine_, *call, here, missing, [&](bool ends) { return machine_.team_any(ends); })) {
            return false;
        }
        bool noted = false;
        BLINK_UNROLL
        for (int c = 0; c < cells; ++c) {
            if (mine) { machine_.store_cell(from.at(position(row, c), thread_), cell{{filler, filler}}); }
            noted = noted || has_note(y.of[c]);
        }
        if (machine_.team_any(noted) && !machine_.team_all(reveal(from, row, y, missing))) { return false; }
        x = from_cells<T>(y);
        return true;
    }

    /// In a call that is longer than the rings: tells `writers` from time to time that `row` and all before it are
    /// empty. Not more often: the fence waits for all that the thread has sent.
    BLINK_DEVICE_CODE void tell(const rank_list& writers, way on, std::uint32_t row) const {
        constexpr std::uint32_t half = ring_rows / 2;
        const std::uint32_t before = row * cells;
        if (rows * cells <= ring_rows || row + 1 >= rows || before / half == (before + cells) / half) { return; }
        machine_.team_sync();
        if (thread_ < writers.count) {
            machine_.fence();
            machine_.store(told(writers[thread_], on), position(row + 1, 0));
        }
    }

  private:
    /// What is known of those whom this team meets on one way.
    struct met {
        int reader = no_rank; ///< the first
        int writer = no_rank;
        ring sent{};                      ///< at the first reader
        ring taken{};                     ///< of the first writer
        std::uint64_t* emptied = nullptr; ///< where this thread's reader tells how far it is
        std::uint64_t room = 0;           ///< what was last seen there
    };

    /// How many elements this thread has of a row: fewer in its last one.
    [[nodiscard]] BLINK_DEVICE_CODE int filled(std::uint32_t row) const {
        return row + 1 < own_rows_ ? width : row + 1 == own_rows_ ? last_filled_ : 0;
    }

    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t position(std::uint32_t row, int c) const {
        return begin_ + row * cells + static_cast<unsigned>(c);
    }

    [[nodiscard]] BLINK_DEVICE_CODE ring ring_at(int owner, int writer, way on) const {
        return ring_of(*call, owner, writer, on, machine_.block() * max_teams + team_, Machine::team_threads);
    }

    /// Where `reader` tells this rank how far it has emptied its ring.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* emptied(way on, int reader) const {
        return &call->flags[rank][machine_.block()].emptied[static_cast<int>(on)][reader][team_];
    }

    /// Where this rank tells that to `writer`.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* told(int writer, way on) const {
        return &call->flags[writer][machine_.block()].emptied[static_cast<int>(on)][rank][team_];
    }

    BLINK_DEVICE_CODE void store_cells(const ring& to, std::uint32_t row, const unit_in_cells<T>& y) const {
        BLINK_UNROLL
        for (int c = 0; c < cells; ++c) {
            const std::uint64_t p = position(row, c);
            const cell travels = disguised(y.of[c]);
            if (has_note(travels)) { machine_.store(to.note_at(p, thread_), note_of(y.of[c], p)); }
            machine_.store_cell(to.at(p, thread_), travels);
        }
    }

    /// Puts what the notes say into `y`. Rare, so its time does not matter. False after the deadline.
    template <class Missing>
    [[nodiscard]] BLINK_DEVICE_CODE bool reveal(const ring& from, std::uint32_t row, unit_in_cells<T>& y,
                                                const Missing& missing) const {
        bool ok = true;
        BLINK_UNROLL
        for (int c = 0; c < cells; ++c) {
            if (!has_note(y.of[c])) { continue; }
            const std::uint64_t p = position(row, c);
            std::uint64_t note = 0;
            const auto has_come = [&] { return is_note_of(note = machine_.load(from.note_at(p, thread_)), p); };
            ok = ok && wait_until(machine_, *call, has_come, missing);
            y.of[c] = revealed(y.of[c], note);
        }
        return ok;
    }

    /// Tells all others, once, that the rows of earlier calls are empty here. Comes before anything that waits for
    /// others, who may wait for this; but behind what can be sent without waiting.
    BLINK_DEVICE_CODE void greet() {
        if (has_greeted_ || rows == 0) { return; }
        has_greeted_ = true;
        if (greeted_ != nullptr) { machine_.store(greeted_, begin_); }
        BLINK_NO_UNROLL
        for (int i = thread_ + Machine::team_threads; i < 2 * call->ranks; i += Machine::team_threads) {
            if (i / 2 != rank) { machine_.store(told(i / 2, static_cast<way>(i & 1)), begin_); }
        }
    }

    /// Waits until all `readers` have emptied what lay a ring before position `end`. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_room(const rank_list& readers, way on, std::uint64_t end,
                                                       std::uint32_t row) {
        greet();
        met& m = met_[static_cast<int>(on)];
        bool ok = true;
        if (thread_ < readers.count) {
            ok = wait_until(
                machine_, *call, [&] { return (m.room = machine_.load(m.emptied)) + ring_rows >= end; },
                [&] { return missed(awaited::room, readers[thread_], row); });
        }
        return machine_.team_all(ok);
    }

    [[nodiscard]] BLINK_DEVICE_CODE fault missed(awaited what, int peer, std::uint32_t row) const {
        return {what, rank, peer, part.lane, machine_.block(), row};
    }

    Machine machine_;
    int thread_; ///< within the team
    int team_;
    const T* in_ = nullptr; ///< this thread's first elements; null where the rank has none
    T* out_ = nullptr;
    bool wide_in_ = false; ///< inputs can be read a unit at a time
    bool wide_out_ = false;
    bool has_greeted_ = false;
    std::uint32_t own_rows_ = 0;       ///< in which this thread has elements
    int last_filled_ = 0;              ///< elements that it has in the last of them
    std::size_t step_ = 0;             ///< elements from row to row
    std::uint64_t begin_ = 0;          ///< rows of cells in earlier calls
    std::uint64_t* greeted_ = nullptr; ///< where this thread tells what is empty
    met met_[2];
};

} // namespace blink::cuda
