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
#include <blink/execute/cuda/stream_batch.hpp>
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
        : call(&c), rank(c.local_ranks[machine.local_rank()]), part(part_of(c, machine.block())), machine_(machine),
          thread_(machine.thread() % Machine::team_threads), team_(machine.thread() / Machine::team_threads) {
        const std::uint64_t all = (part.elements + width - 1) / width;
        const auto threads = static_cast<unsigned>(machine.threads());
        const auto first = static_cast<std::uint64_t>(machine.thread());
        const std::uint64_t whole_rows = all / threads;
        const auto rest = static_cast<std::uint32_t>(all - whole_rows * threads);
        const auto team_first = static_cast<unsigned>(team_ * Machine::team_threads);
        rows = static_cast<std::uint32_t>(whole_rows) + (rest > team_first ? 1 : 0);
        own_rows_ = static_cast<std::uint32_t>(whole_rows) + (rest > first ? 1 : 0);
        const bool has_last = own_rows_ > 0 && (own_rows_ - 1) * std::uint64_t{threads} + first + 1 == all;
        last_filled_ = own_rows_ == 0 ? 0 : has_last ? static_cast<int>(part.elements - (all - 1) * width) : width;
        step_ = std::size_t{threads} * width;
        const std::size_t own_begin = first * width;
        if (c.in[rank] != nullptr) { in_ = c.in[rank] + part.in_begin + own_begin; }
        if (c.out[rank] != nullptr) { out_ = c.out[rank] + part.out_begin + own_begin; }
        wide_in_ = width > 1 && aligned(in_);
        wide_out_ = width > 1 && aligned(out_);
        const auto stream = static_cast<unsigned>((machine.block() * max_teams + team_) * 2);
        first_ring_ = std::size_t{stream * static_cast<unsigned>(c.ranks - 1)} * ring_bytes(Machine::team_threads);
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
            if (with.readers.count > 0) { m.reads = ring_at(with.readers[0], rank, on).begin; }
            if (with.writers.count > 0) { m.writes = ring_at(rank, with.writers[0], on).begin; }
            m.reader = with.readers.count > 0 ? with.readers[0] : no_rank;
            m.writer = with.writers.count > 0 ? with.writers[0] : no_rank;
            if (thread_ < with.readers.count) { m.emptied = emptied(on, with.readers[thread_]); }
            machine_.have(m.reads, m.writes, m.emptied);
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
    BLINK_DEVICE_CODE void leave() const {
        if (thread_ == 0 && rows > 0) {
            call->flags[rank][machine_.block()].position[team_] = begin_ + std::uint64_t{rows} * cells;
        }
    }

    /// This thread's elements from `row` on: sixteen bytes at a time where inputs can be read so, else one by one.
    template <int N>
    [[nodiscard]] BLINK_DEVICE_CODE batch<T, N> input(std::uint32_t row) const {
        batch<T, N> x{};
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) {
            const T* const from = in_ + (row + static_cast<unsigned>(i)) * step_;
            const int n = filled(row + static_cast<unsigned>(i));
            if (wide_in_ && n == width) {
                x.of[i] = load<width>(from, 0);
            } else if (n > 0) {
                unit<T> single{};
                BLINK_NO_UNROLL
                for (int e = 0; e < n; ++e) { single.v[e] = from[e]; }
                x.of[i] = single;
            }
        }
        return x;
    }

    /// Writes them to the output likewise.
    template <int N>
    BLINK_DEVICE_CODE void keep(std::uint32_t row, const batch<T, N>& x) const {
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) {
            T* const to = out_ + (row + static_cast<unsigned>(i)) * step_;
            const int n = filled(row + static_cast<unsigned>(i));
            if (wide_out_ && n == width) {
                store<width>(to, 0, x.of[i]);
            } else if (n > 0) {
                const unit<T> single = x.of[i];
                BLINK_NO_UNROLL
                for (int e = 0; e < n; ++e) { to[e] = single.v[e]; }
            }
        }
    }

    /// Sends the rows from `row` on to `reader`, who has room.
    template <int N>
    BLINK_DEVICE_CODE void send(int reader, way on, std::uint32_t row, const batch<T, N>& x) const {
        const ring to = sent_to(reader, on);
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) {
            if (row + static_cast<unsigned>(i) >= own_rows_) { continue; }
            const unit_in_cells<T> y = to_cells<T>(x.of[i]);
            BLINK_UNROLL
            for (int c = 0; c < cells; ++c) {
                const std::uint64_t p = position(row, i, c);
                const cell travels = disguised(y.of[c]);
                if (has_note(travels)) { machine_.store(to.note_at(p, thread_), note_of(y.of[c], p)); }
                machine_.store_cell(to.at(p, thread_), travels);
            }
        }
    }

    /// The same to each of `readers`, once they have room. False after the deadline.
    template <int N>
    [[nodiscard]] BLINK_DEVICE_CODE bool send(const rank_list& readers, way on, std::uint32_t row,
                                              const batch<T, N>& x) {
        if (readers.count == 0) { return true; }
        const std::uint32_t end = row + N < rows ? row + N : rows;
        const std::uint64_t last = begin_ + std::uint64_t{end} * cells;
        if (!machine_.team_all(met_[static_cast<int>(on)].room + ring_rows >= last || thread_ >= readers.count)) {
            if (!wait_for_room(readers, on, last, row)) { return false; }
        }
        BLINK_NO_UNROLL
        for (int r = 0; r < readers.count; ++r) { send(readers[r], on, row, x); }
        return true;
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

    /// Takes the rows from `row` on of `writer`, and empties their cells. False after the deadline.
    template <int N>
    [[nodiscard]] BLINK_DEVICE_CODE bool receive(int writer, way on, std::uint32_t row, batch<T, N>& x) {
        greet();
        const ring from = taken_from(writer, on);
        unit_in_cells<T> y[N];
        const auto here = [&] {
            bool all = true;
            each_cell<N>(row, [&](int i, int c, std::uint64_t p) {
                y[i].of[c] = machine_.load_cell(from.at(p, thread_));
                all = all && is_here(y[i].of[c]);
            });
            return machine_.team_all(all);
        };
        const auto missing = [&] { return missed(on == way::down ? awaited::result : awaited::partial, writer, row); };
        if (!wait_until(machine_, *call, here, missing, [&](bool ends) { return machine_.team_any(ends); })) {
            return false;
        }
        bool noted = false;
        each_cell<N>(row, [&](int i, int c, std::uint64_t p) {
            machine_.store_cell(from.at(p, thread_), cell{{filler, filler}});
            noted = noted || has_note(y[i].of[c]);
        });
        if (machine_.team_any(noted)) {
            bool ok = true;
            each_cell<N>(row, [&](int i, int c, std::uint64_t p) {
                if (!has_note(y[i].of[c])) { return; }
                std::uint64_t note = 0;
                const auto told = [&] { return is_note_of(note = machine_.load(from.note_at(p, thread_)), p); };
                ok = ok && wait_until(machine_, *call, told, missing);
                y[i].of[c] = revealed(y[i].of[c], note);
            });
            if (!machine_.team_all(ok)) { return false; }
        }
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) { x.of[i] = from_cells<T>(y[i]); }
        return true;
    }

    /// In a call that is longer than the rings: tells `writers` from time to time that the `N` rows from `row` on, and
    /// all before them, are empty. Not more often: the fence waits for all that the thread has sent.
    template <int N>
    BLINK_DEVICE_CODE void tell(const rank_list& writers, way on, std::uint32_t row) const {
        constexpr auto half = static_cast<std::uint32_t>(ring_rows / 2);
        const std::uint32_t before = row * cells;
        const std::uint32_t after = (row + N) * cells;
        if (rows * cells <= ring_rows || row + N >= rows || before / half == after / half) { return; }
        machine_.team_sync();
        if (thread_ < writers.count) {
            machine_.fence();
            machine_.store(told(writers[thread_], on), begin_ + after);
        }
    }

  private:
    /// How many elements this thread has of a row: fewer in its last one.
    [[nodiscard]] BLINK_DEVICE_CODE int filled(std::uint32_t row) const {
        return row + 1 < own_rows_ ? width : row + 1 == own_rows_ ? last_filled_ : 0;
    }

    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t position(std::uint32_t row, int i, int c) const {
        return begin_ + (row + static_cast<unsigned>(i)) * cells + static_cast<unsigned>(c);
    }

    template <int N, class Function>
    BLINK_DEVICE_CODE void each_cell(std::uint32_t row, const Function& f) const {
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) {
            if (row + static_cast<unsigned>(i) >= own_rows_) { continue; }
            BLINK_UNROLL
            for (int c = 0; c < cells; ++c) { f(i, c, position(row, i, c)); }
        }
    }

    [[nodiscard]] BLINK_DEVICE_CODE ring ring_at(int owner, int writer, way on) const {
        const int number = static_cast<int>(on) * (call->ranks - 1) + writer_index(owner, writer);
        const std::size_t begin = first_ring_ + static_cast<unsigned>(number) * ring_bytes(Machine::team_threads);
        return {call->rings[owner] + begin, Machine::team_threads};
    }

    [[nodiscard]] BLINK_DEVICE_CODE ring sent_to(int reader, way on) const {
        const met& m = met_[static_cast<int>(on)];
        return reader == m.reader ? ring{m.reads, Machine::team_threads} : ring_at(reader, rank, on);
    }
    [[nodiscard]] BLINK_DEVICE_CODE ring taken_from(int writer, way on) const {
        const met& m = met_[static_cast<int>(on)];
        return writer == m.writer ? ring{m.writes, Machine::team_threads} : ring_at(rank, writer, on);
    }

    /// Where `reader` tells this rank how far it has emptied its ring.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* emptied(way on, int reader) const {
        return &call->flags[rank][machine_.block()].emptied[static_cast<int>(on)][reader][team_];
    }

    /// Where this rank tells that to `writer`.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* told(int writer, way on) const {
        return &call->flags[writer][machine_.block()].emptied[static_cast<int>(on)][rank][team_];
    }

    /// Waits until all `readers` have emptied all places before position `last` that they had a ring earlier. False
    /// after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_room(const rank_list& readers, way on, std::uint64_t last,
                                                       std::uint32_t row) {
        greet();
        met& m = met_[static_cast<int>(on)];
        bool ok = true;
        if (thread_ < readers.count) {
            ok = wait_until(
                machine_, *call, [&] { return (m.room = machine_.load(m.emptied)) + ring_rows >= last; },
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
    std::uint32_t own_rows_ = 0; ///< in which this thread has elements
    int last_filled_ = 0;        ///< elements that it has in the last of them
    std::size_t step_ = 0;       ///< elements from row to row
    std::size_t first_ring_ = 0; ///< of this team, in the rings of any rank
    std::uint64_t begin_ = 0;    ///< rows of cells in earlier calls

    /// What is known of those whom this team meets on one way.
    struct met {
        std::byte* reads = nullptr;  ///< the ring at the first reader
        std::byte* writes = nullptr; ///< that of the first writer at this rank
        int reader = no_rank;
        int writer = no_rank;
        std::uint64_t* emptied = nullptr; ///< of this thread's reader
        std::uint64_t room = 0;           ///< what was last seen there
    };
    met met_[2];
    std::uint64_t* greeted_ = nullptr; ///< where this thread tells what is empty
    bool has_greeted_ = false;
};

} // namespace blink::cuda
