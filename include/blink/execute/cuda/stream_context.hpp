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

/// What `emptied` says once it is `wanted` or more; less after the deadline.
template <class Machine, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline std::uint64_t room_from(Machine machine, const stream_call<T>& call,
                                                               const std::uint64_t* emptied, std::uint64_t wanted,
                                                               fault otherwise) {
    std::uint64_t room = 0;
    const auto is_enough = [&] { return (room = machine.load(emptied)) >= wanted; };
    return wait_until(machine, call, is_enough, [&] { return otherwise; }) ? room : 0;
}

struct read_note {
    std::uint64_t word;
    bool is_here; ///< false after the deadline
};

/// The note of the cell at `position`, once it has come.
template <class Machine, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline read_note
note_at(Machine machine, const stream_call<T>& call, const std::uint64_t* at, std::uint64_t position, fault otherwise) {
    std::uint64_t word = 0;
    const auto has_come = [&] { return is_note_of(word = machine.load(at), position); };
    const bool is_here = wait_until(machine, call, has_come, [&] { return otherwise; });
    return {word, is_here};
}

/// Tells all other ranks, on both ways, that the rows of a team before `position` are empty at `rank`.
template <class Machine, class T>
BLINK_DEVICE_CODE inline void tell_others(Machine machine, const stream_call<T>& call, int rank, int team,
                                          std::uint64_t position) {
    BLINK_NO_UNROLL
    for (int i = machine.thread() % Machine::team_threads; i < 2 * call.ranks; i += Machine::team_threads) {
        const int other = i / 2;
        if (other != rank) { machine.store(&call.flags[other][machine.block()].emptied[i & 1][rank][team], position); }
    }
}

/// A unit of `n` elements that cannot be read at once.
template <class T>
[[nodiscard]] BLINK_DEVICE_CODE inline unit<T> singles(const T* from, int n) {
    unit<T> x{};
    BLINK_NO_UNROLL
    for (int e = 0; e < n; ++e) { x.v[e] = from[e]; }
    return x;
}

/// Writes such a unit.
template <class T>
BLINK_DEVICE_CODE inline void keep_singles(T* to, int n, unit<T> x) {
    BLINK_NO_UNROLL
    for (int e = 0; e < n; ++e) { to[e] = x.v[e]; }
}

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
        state_ = &c.flags[rank][machine.block()].state[team_];
    }

    /// What a team needs that has no more than a cell for each thread, for an exchange with one other rank.
    struct single_row {
        const T* in; ///< this thread's unit
        T* out;
        stream_state* state;
        ring sent;              ///< at the other rank
        ring taken;             ///< of the other rank
        std::uint64_t* emptied; ///< where the other rank tells how far it is
        int thread;             ///< within the team
        bool mine;              ///< whether this thread has a unit
    };

    /// True where a team has no more than that, and units that can be read and written at once.
    [[nodiscard]] BLINK_DEVICE_CODE bool has_single_row() const {
        return cells == 1 && width > 1 && rows == 1 &&
               machine_.team_all(own_rows_ == 0 || (last_filled_ == width && wide_in_ && wide_out_));
    }
    [[nodiscard]] BLINK_DEVICE_CODE single_row row_with(int other) const {
        return {in_,
                out_,
                state_,
                ring_at(other, rank, way::up),
                ring_at(rank, other, way::up),
                emptied(way::up, other),
                thread_,
                own_rows_ > 0};
    }

    /// Tells all others that rows before `position` are empty here. Waits for nothing.
    BLINK_DEVICE_CODE void tell_all(std::uint64_t position) const {
        tell_others(machine_, *call, rank, team_, position);
    }

    [[nodiscard]] BLINK_DEVICE_CODE fault missed(awaited what, int peer, std::uint32_t row) const {
        return {what, rank, peer, part.lane, machine_.block(), row};
    }

    /// Whom this team meets on one way.
    struct neighbours {
        rank_list readers; ///< that it sends to
        rank_list writers; ///< that it takes from
    };

    /// Begins the call. All that can be known before the kernel's turn is known then, since a short call takes as long
    /// as it is to the last store to another GPU, and a trip there and back. What is read here is not waited for.
    BLINK_DEVICE_CODE void enter(const neighbours& up, const neighbours& down) {
        const auto meet = [&](way on, met& m, const neighbours& with) {
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
        meet(way::up, up_, up);
        meet(way::down, down_, down);
        machine_.have(state_);
        machine_.take_turn();
        if (rows == 0) { return; }
        begin_ = machine_.peek(&state_->position);
        told_ = machine_.peek(&state_->told);
        if (up_.emptied != nullptr) { up_.room = machine_.peek(up_.emptied); }
        if (down_.emptied != nullptr) { down_.room = machine_.peek(down_.emptied); }
    }

    /// Ends it.
    BLINK_DEVICE_CODE void leave() {
        greet();
        if (thread_ == 0 && rows > 0) { *state_ = {begin_ + std::uint64_t{rows} * cells, told_}; }
    }

    /// This thread's elements in `row`: sixteen bytes at a time where inputs can be read so, else one by one.
    [[nodiscard]] BLINK_DEVICE_CODE held_unit<T> input(std::uint32_t row) const {
        const T* const from = in_ + row * step_;
        const int n = filled(row);
        if constexpr (is_held_in_cells<T>) {
            if (!wide_in_ || n != width) { return to_cells<T>(singles(from, n)); }
            return {{*reinterpret_cast<const cell*>(from)}};
        } else {
            return wide_in_ && n == width ? load<width>(from, 0) : singles(from, n);
        }
    }

    /// Writes them to the output likewise.
    BLINK_DEVICE_CODE void keep(std::uint32_t row, const unit<T>& x) const {
        T* const to = out_ + row * step_;
        const int n = filled(row);
        if (wide_out_ && n == width) {
            store<width>(to, 0, x);
        } else {
            keep_singles(to, n, x);
        }
    }

    /// Sends `row` to each of `readers`, once they have room. False after the deadline.
    template <way On>
    [[nodiscard]] BLINK_DEVICE_CODE bool send(const rank_list& readers, std::uint32_t row, const unit<T>& x) {
        if (readers.count == 0) { return true; }
        met& m = met_on<On>();
        const std::uint64_t end = position(row + 1, 0);
        if (!machine_.team_all(m.room + ring_rows >= end || thread_ >= readers.count)) [[unlikely]] {
            if (!wait_for_room(m, readers, end, row)) { return false; }
        }
        if (row >= own_rows_) { return true; }
        const unit_in_cells<T> y = to_cells<T>(x);
        store_cells(m.sent, row, y);
        BLINK_NO_UNROLL
        for (int r = 1; r < readers.count; ++r) { store_cells(ring_at(readers[r], rank, On), row, y); }
        return true;
    }

    /// Takes `row` of `writer`, and empties its cells. False after the deadline.
    template <way On>
    [[nodiscard]] BLINK_DEVICE_CODE bool receive(int writer, std::uint32_t row, unit<T>& x) {
        greet();
        const met& m = met_on<On>();
        const ring from = writer == m.writer ? m.taken : ring_at(rank, writer, On);
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
        const auto missing = [&] { return missed(On == way::down ? awaited::result : awaited::partial, writer, row); };
        if (!wait_until<true>(machine_, *call, here, missing)) { return false; }
        bool noted = false;
        BLINK_UNROLL
        for (int c = 0; c < cells; ++c) {
            if (mine) { machine_.store_cell(from.at(position(row, c), thread_), cell{{filler, filler}}); }
            noted = noted || has_note(y.of[c]);
        }
        if (machine_.team_any(noted)) [[unlikely]] {
            bool ok = true;
            BLINK_UNROLL
            for (int c = 0; c < cells; ++c) {
                if (!has_note(y.of[c])) { continue; }
                const std::uint64_t p = position(row, c);
                const read_note note = note_at(machine_, *call, from.note_at(p, thread_), p, missing());
                ok = ok && note.is_here;
                y.of[c] = revealed(y.of[c], note.word);
            }
            if (!machine_.team_all(ok)) { return false; }
        }
        x = from_cells<T>(y);
        return true;
    }

    /// In a call that is longer than the rings: tells `writers` from time to time that `row` and all before it are
    /// empty. Not more often: the fence waits for all that the thread has sent.
    template <way On>
    BLINK_DEVICE_CODE void tell(const rank_list& writers, std::uint32_t row) const {
        constexpr std::uint32_t half = ring_rows / 2;
        const std::uint32_t before = row * cells;
        if (rows * cells <= ring_rows || row + 1 >= rows || before / half == (before + cells) / half) { return; }
        machine_.team_sync();
        if (thread_ < writers.count) {
            machine_.fence();
            machine_.store(told(writers[thread_], On), position(row + 1, 0));
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

    /// Known where it is compiled, so that it stays in registers.
    template <way On>
    [[nodiscard]] BLINK_DEVICE_CODE met& met_on() {
        if constexpr (On == way::up) {
            return up_;
        } else {
            return down_;
        }
    }

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
            if (has_note(travels)) [[unlikely]] { machine_.store(to.note_at(p, thread_), note_of(y.of[c], p)); }
            machine_.store_cell(to.at(p, thread_), travels);
        }
    }

    /// Tells all others that the rows of earlier calls are empty here, where some are waiting to be told, or somebody
    /// may need to know in this call. Comes before anything that waits for others, who may wait for this; but behind
    /// what can be sent without waiting.
    BLINK_DEVICE_CODE void greet() {
        if (has_greeted_ || rows == 0) { return; }
        has_greeted_ = true;
        if (begin_ - told_ < untold_rows && rows * cells <= ring_rows - untold_rows) { return; }
        told_ = begin_;
        tell_all(begin_);
    }

    /// Waits until all `readers` have emptied what lay a ring before position `end`. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_room(met& m, const rank_list& readers, std::uint64_t end,
                                                       std::uint32_t row) {
        greet();
        bool ok = true;
        if (thread_ < readers.count) {
            m.room =
                room_from(machine_, *call, m.emptied, end - ring_rows, missed(awaited::room, readers[thread_], row));
            ok = m.room + ring_rows >= end;
        }
        return machine_.team_all(ok);
    }

    Machine machine_;
    int thread_; ///< within the team
    int team_;
    const T* in_ = nullptr; ///< this thread's first elements; null where the rank has none
    T* out_ = nullptr;
    bool wide_in_ = false; ///< inputs can be read a unit at a time
    bool wide_out_ = false;
    bool has_greeted_ = false;
    std::uint32_t own_rows_ = 0; ///< in which this thread has elements
    int last_filled_ = 0;        ///< elements that it has in the last of them
    std::size_t step_ = 0;       ///< elements from row to row
    std::uint64_t begin_ = 0;    ///< rows of cells in earlier calls
    std::uint64_t told_ = 0;     ///< see `stream_state`
    stream_state* state_ = nullptr;
    met up_, down_;
};

} // namespace blink::cuda
