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

/// Everything here is called by all threads of a team together.
template <class Machine, class T>
class stream_context {
  public:
    static constexpr int cells = unit_cells<T>;
    static constexpr int width = unit_elements<T>;
    static constexpr int units = cells >= 4 ? 1 : 4 / cells; ///< of a batch, at most

    /// A thread's units of a batch.
    struct batch {
        unit<T> of[units];
    };
    /// The same in which `Op` combines.
    template <class Op>
    struct totals {
        vector<accumulator_of<Op, T>, width> of[units];
    };

    const stream_call<T>* call;
    int rank;
    block_part part;
    std::uint32_t batches = 0; ///< of this team

    /// Reads nothing but the call, so it may come before the kernel's turn.
    BLINK_DEVICE_CODE stream_context(const Machine& machine, const stream_call<T>& c)
        : call(&c), rank(c.local_ranks[machine.local_rank()]), part(part_of(c, machine.block())), machine_(machine),
          thread_(machine.thread() % Machine::team_threads), team_(machine.thread() / Machine::team_threads) {
        const std::uint64_t all = (part.elements + width - 1) / width;
        const auto step = static_cast<unsigned>(machine.threads());
        const auto rows_from = [&](int first) {
            const auto f = static_cast<std::uint64_t>(first);
            return all <= f ? 0U : static_cast<std::uint32_t>((all - f - 1) / step + 1);
        };
        rows_ = rows_from(team_ * Machine::team_threads);
        own_rows_ = rows_from(machine.thread());
        batches = (rows_ + units - 1) / units;
        const std::uint64_t before_last = element_at(own_rows_ - 1);
        last_filled_ = own_rows_ == 0                                  ? 0
                       : part.elements - before_last < unsigned{width} ? static_cast<int>(part.elements - before_last)
                                                                       : width;
        const auto fits = [](const T* p, std::uint64_t begin) {
            return p != nullptr && width > 1 && aligned(p + begin);
        };
        wide_in_ = fits(c.in[rank], part.in_begin);
        wide_out_ = fits(c.out[rank], part.out_begin);
        const auto stream = static_cast<unsigned>((machine.block() * max_teams + team_) * 2);
        first_ring_ = std::size_t{stream * static_cast<unsigned>(c.ranks - 1)} * ring_bytes(Machine::team_threads);
    }

    /// Begins the call. What is read here is not waited for until it is needed.
    /// @param up, down whom this team writes to
    BLINK_DEVICE_CODE void enter(const rank_list& up, const rank_list& down) {
        machine_.take_turn();
        if (batches == 0) { return; }
        begin_ = machine_.peek(&call->flags[rank][machine_.block()].position[team_]);
        if (thread_ < up.count) { room_[0] = machine_.peek(emptied(way::up, up[thread_])); }
        if (thread_ < down.count) { room_[1] = machine_.peek(emptied(way::down, down[thread_])); }
    }

    /// Tells all others that the rows of earlier calls are empty here. Comes before anything that waits for others, who
    /// may wait for this; behind the first loads, so that they are on their way meanwhile.
    BLINK_DEVICE_CODE void greet() const {
        if (batches == 0) { return; }
        const int others = call->ranks - 1;
        for (int i = thread_; i < 2 * others; i += Machine::team_threads) {
            const int other = i % others < rank ? i % others : i % others + 1;
            announce(other, i < others ? way::up : way::down, begin_);
        }
    }

    /// Ends it.
    BLINK_DEVICE_CODE void leave() const {
        if (thread_ == 0 && batches > 0) {
            call->flags[rank][machine_.block()].position[team_] = begin_ + std::uint64_t{rows_} * cells;
        }
    }

    /// This thread's elements of batch `b`: sixteen bytes at a time where inputs can be read so, else one by one.
    [[nodiscard]] BLINK_DEVICE_CODE batch input(std::uint32_t b) const {
        batch x{};
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) {
            const T* const from = call->in[rank] + part.in_begin + element_at(b * units + static_cast<unsigned>(i));
            const int n = filled(b, i);
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
    BLINK_DEVICE_CODE void keep(std::uint32_t b, const batch& x) const {
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) {
            T* const to = call->out[rank] + part.out_begin + element_at(b * units + static_cast<unsigned>(i));
            const int n = filled(b, i);
            if (wide_out_ && n == width) {
                store<width>(to, 0, x.of[i]);
            } else if (n > 0) {
                const unit<T> single = x.of[i];
                BLINK_NO_UNROLL
                for (int e = 0; e < n; ++e) { to[e] = single.v[e]; }
            }
        }
    }

    /// Sends batch `b` to each of `readers`, once they have room. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool send(const rank_list& readers, way on, std::uint32_t b, const batch& x) {
        if (readers.count == 0) { return true; }
        if (!wait_for_room(readers, on, b)) { return false; }
        for (int r = 0; r < readers.count; ++r) {
            const ring to = ring_at(readers[r], rank, on);
            BLINK_UNROLL
            for (int i = 0; i < units; ++i) {
                if (filled(b, i) == 0) { continue; }
                const unit_in_cells<T> y = to_cells<T>(x.of[i]);
                BLINK_UNROLL
                for (int c = 0; c < cells; ++c) {
                    const std::uint64_t p = position(b, i, c);
                    const cell travels = disguised(y.of[c]);
                    if (has_note(travels)) { machine_.store(to.note_at(p, thread_), note_of(y.of[c], p)); }
                    machine_.store_cell(to.at(p, thread_), travels);
                }
            }
        }
        return true;
    }

    /// Takes batch `b` of `writer` and empties its cells. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool receive(int writer, way on, std::uint32_t b, batch& x) const {
        const ring from = ring_at(rank, writer, on);
        unit_in_cells<T> y[units];
        const auto here = [&] {
            bool all = true;
            each_cell(b, [&](int i, int c, std::uint64_t p) {
                y[i].of[c] = machine_.load_cell(from.at(p, thread_));
                all = all && is_here(y[i].of[c]);
            });
            return machine_.team_all(all);
        };
        const auto missing = [&] { return missed(on == way::down ? awaited::result : awaited::partial, writer, b); };
        if (!wait_until(machine_, *call, here, missing, [&](bool ends) { return machine_.team_any(ends); })) {
            return false;
        }
        bool noted = false;
        each_cell(b, [&](int i, int c, std::uint64_t p) {
            machine_.store_cell(from.at(p, thread_), cell{{filler, filler}});
            noted = noted || has_note(y[i].of[c]);
        });
        if (machine_.team_any(noted)) {
            bool ok = true;
            each_cell(b, [&](int i, int c, std::uint64_t p) {
                if (!has_note(y[i].of[c])) { return; }
                std::uint64_t note = 0;
                const auto told = [&] { return is_note_of(note = machine_.load(from.note_at(p, thread_)), p); };
                ok = ok && wait_until(machine_, *call, told, missing);
                y[i].of[c] = revealed(y[i].of[c], note);
            });
            if (!machine_.team_all(ok)) { return false; }
        }
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) { x.of[i] = from_cells<T>(y[i]); }
        return true;
    }

    /// In a long call: tells `writers` that the rows of batch `b` are empty.
    BLINK_DEVICE_CODE void tell(const rank_list& writers, way on, std::uint32_t b) const {
        if (rows_ * cells <= ring_rows / 2 || b + 1 >= batches) { return; }
        machine_.team_sync();
        if (thread_ < writers.count) {
            machine_.fence();
            announce(writers[thread_], on, position(b + 1, 0, 0));
        }
    }

    /// This rank's own elements of batch `b`, ready to be combined.
    template <class Op>
    [[nodiscard]] BLINK_DEVICE_CODE totals<Op> contribution(const Op& op, std::uint32_t b) const {
        totals<Op> own = widened<Op>(input(b));
        if constexpr (preparing_operator<Op, T>) {
            each_element([&](int i, int e) { own.of[i].v[e] = prepare(op, own.of[i].v[e], rank); });
        }
        return own;
    }

    /// `into` combined with `with`.
    template <class Op>
    BLINK_DEVICE_CODE void add(const Op& op, totals<Op>& into, const batch& with) const {
        using wide = accumulator_of<Op, T>;
        const totals<Op> other = widened<Op>(with);
        each_element([&](int i, int e) { into.of[i].v[e] = static_cast<wide>(op(into.of[i].v[e], other.of[i].v[e])); });
    }

    /// The total, finished and rounded.
    template <class Op>
    [[nodiscard]] BLINK_DEVICE_CODE batch complete(const Op& op, const totals<Op>& total) const {
        totals<Op> finished = total;
        if constexpr (finishing_operator<Op, T>) {
            each_element([&](int i, int e) { finished.of[i].v[e] = finish(op, total.of[i].v[e], call->ranks); });
        }
        return rounded(finished);
    }

    template <class Op>
    [[nodiscard]] BLINK_DEVICE_CODE totals<Op> widened(const batch& x) const {
        totals<Op> y;
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) { y.of[i] = converted<accumulator_of<Op, T>>(x.of[i]); }
        return y;
    }

    template <class Totals>
    [[nodiscard]] BLINK_DEVICE_CODE batch rounded(const Totals& x) const {
        batch y;
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) { y.of[i] = converted<T>(x.of[i]); }
        return y;
    }

  private:
    /// The first of this thread's elements in a row of units, within the block's.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t element_at(std::uint32_t row) const {
        const auto step = static_cast<unsigned>(machine_.threads());
        return (std::uint64_t{row} * step + static_cast<unsigned>(machine_.thread())) * width;
    }

    /// How many elements this thread has of unit `i` of batch `b`: fewer in its last one.
    [[nodiscard]] BLINK_DEVICE_CODE int filled(std::uint32_t b, int i) const {
        const std::uint32_t next = b * units + static_cast<unsigned>(i) + 1;
        return next < own_rows_ ? width : next == own_rows_ ? last_filled_ : 0;
    }

    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t position(std::uint32_t b, int i, int c) const {
        return begin_ + (b * units + static_cast<unsigned>(i)) * cells + static_cast<unsigned>(c);
    }

    template <class Function>
    BLINK_DEVICE_CODE void each_cell(std::uint32_t b, const Function& f) const {
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) {
            if (filled(b, i) == 0) { continue; }
            BLINK_UNROLL
            for (int c = 0; c < cells; ++c) { f(i, c, position(b, i, c)); }
        }
    }

    /// Of all units, empty places too: they hold zeros on every rank, and what becomes of them is not looked at.
    template <class Function>
    BLINK_DEVICE_CODE void each_element(const Function& f) const {
        BLINK_UNROLL
        for (int i = 0; i < units; ++i) {
            BLINK_UNROLL
            for (int e = 0; e < width; ++e) { f(i, e); }
        }
    }

    [[nodiscard]] BLINK_DEVICE_CODE ring ring_at(int owner, int writer, way on) const {
        const int number = static_cast<int>(on) * (call->ranks - 1) + writer_index(owner, writer);
        const std::size_t begin = first_ring_ + static_cast<unsigned>(number) * ring_bytes(Machine::team_threads);
        return {call->rings[owner] + begin, Machine::team_threads};
    }

    /// Where `reader` tells this rank how far it has emptied its rings.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t* emptied(way on, int reader) const {
        return &call->flags[rank][machine_.block()].emptied[static_cast<int>(on)][reader][team_];
    }

    BLINK_DEVICE_CODE void announce(int writer, way on, std::uint64_t up_to) const {
        machine_.store(&call->flags[writer][machine_.block()].emptied[static_cast<int>(on)][rank][team_], up_to);
    }

    /// Waits until all `readers` have emptied the rows that batch `b` goes into. False after the deadline.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_room(const rank_list& readers, way on, std::uint32_t b) {
        const std::uint64_t last = b + 1 < batches ? position(b + 1, 0, 0) : begin_ + std::uint64_t{rows_} * cells;
        std::uint64_t& seen = room_[static_cast<int>(on)];
        bool ok = true;
        if (thread_ < readers.count && seen + ring_rows < last) {
            const int reader = readers[thread_];
            ok = wait_until(
                machine_, *call, [&] { return (seen = machine_.load(emptied(on, reader))) + ring_rows >= last; },
                [&] { return missed(awaited::room, reader, b); });
        }
        return machine_.team_all(ok);
    }

    [[nodiscard]] BLINK_DEVICE_CODE fault missed(awaited what, int peer, std::uint32_t b) const {
        return {what, rank, peer, part.lane, machine_.block(), b};
    }

    Machine machine_;
    int thread_; ///< within the team
    int team_;
    bool wide_in_ = false; ///< inputs can be read a unit at a time
    bool wide_out_ = false;
    std::uint32_t rows_ = 0;     ///< of units of this team in this call
    std::uint32_t own_rows_ = 0; ///< in which this thread has elements
    int last_filled_ = 0;        ///< elements that it has in the last of them
    std::size_t first_ring_ = 0; ///< of this team, in the rings of any rank
    std::uint64_t begin_ = 0;    ///< rows of cells in earlier calls
    std::uint64_t room_[2] = {}; ///< by way: how far this thread's reader has emptied its ring, as last seen
};

} // namespace blink::cuda
