// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a block does in a short call: its threads exchange data that carry their own flag, over the trees of a
/// schedule, or straight from each rank to each other. The form of the data is a `Wire`: lines, which a thread handles
/// alone
/// (`ll_line.hpp`), or packets, which some threads share (`packet.hpp`).
///
/// A thread waits for the unit that holds its elements and no others, so a hop costs one trip over the wire.
/// Ranks write into rows of the library alone, never into each other's buffers, so nobody announces that he is in the
/// call. Rows are kept twice, for odd and even calls; a rank that has read all of a call's rows tells the others, and
/// those look for it before they write into the same rows again two calls later, when it has long been there.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/ll_line.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// A short call.
template <class T>
struct ll_call : call_frame<T> {
    ll_flags* flags[max_ranks]; ///< by rank, then block
    std::byte* rows[max_ranks]; ///< of the lines or packets
    std::uint32_t row_bytes;
    bool straight; ///< from each rank to each other, without trees
};

/// Where one block stands, and its thread's ways to the others.
template <class Wire, class Machine, class T>
struct ll_context {
    Machine machine;
    const ll_call<T>* call;
    int rank;
    int block;
    block_part part;
    std::uint64_t number; ///< of this call
    bool wide_in;         ///< inputs and outputs can be read and written a unit at a time
    bool wide_out;

    static constexpr int width = Wire::template thread_elements<T>; ///< elements of a unit that a thread has, at most
    static constexpr int unit_elements = Wire::template unit_elements<T>;
    static constexpr int piece = ll_unit_elements<T>; ///< that move together, in eight bytes where elements tile them
    using unit = vector<T, width>;

    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t units() const {
        return (part.elements + unit_elements - 1) / unit_elements;
    }
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t first_unit() const {
        return static_cast<std::uint64_t>(machine.thread() / Wire::threads);
    }
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t unit_step() const {
        return static_cast<std::uint64_t>(machine.threads() / Wire::threads);
    }

    /// The first of this thread's elements in unit `u`, within the block's.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t first_element(std::uint64_t u) const {
        return u * unit_elements + static_cast<unsigned>(machine.thread() % Wire::threads * width);
    }

    /// How many this thread has of unit `u`: fewer in the last one, and where the flag takes their place.
    [[nodiscard]] BLINK_DEVICE_CODE int filled(std::uint64_t u) const {
        const std::uint64_t begin = first_element(u);
        const std::uint64_t unit_end = (u + 1) * unit_elements;
        const std::uint64_t end = unit_end < part.elements ? unit_end : part.elements;
        return end <= begin ? 0 : end - begin < width ? static_cast<int>(end - begin) : width;
    }

    /// Where unit `u` from `writer` lies at `owner`.
    [[nodiscard]] BLINK_DEVICE_CODE std::byte* place(int owner, int writer, bool down, std::uint64_t u) const {
        const std::size_t side = (static_cast<std::size_t>(block) * 2 + (number & 1U)) * 2 + (down ? 1 : 0);
        const std::size_t row = side * call->ranks + static_cast<std::size_t>(writer);
        return call->rows[owner] + row * call->row_bytes + u * Wire::template unit_bytes<T>;
    }

    BLINK_DEVICE_CODE void send(int to, bool down, std::uint64_t u, const unit& x) const {
        Wire::template send<T>(machine, place(to, rank, down, u), x, number);
    }

    [[nodiscard]] BLINK_DEVICE_CODE bool receive(int from, bool down, std::uint64_t u, unit& x) const {
        const std::byte* const source = place(rank, from, down, u);
        return wait_until(
            machine, *call, [&] { return Wire::template take<T>(machine, source, x, number); },
            [&] {
                return fault{down ? awaited::result : awaited::partial,
                             rank,
                             from,
                             part.lane,
                             block,
                             static_cast<std::uint32_t>(u)};
            },
            [&](bool gives_up) { return Wire::any(machine, gives_up); });
    }

    /// This thread's elements of unit `u`: eight bytes at a time where inputs can be read so, else one by one.
    [[nodiscard]] BLINK_DEVICE_CODE unit input(std::uint64_t u) const {
        const T* const from = call->in[rank] + part.in_begin + first_element(u);
        const int n = filled(u);
        unit x{};
        BLINK_UNROLL
        for (int begin = 0; begin < width; begin += piece) {
            if (wide_in && begin + piece <= n) {
                const vector<T, piece> loaded = load<piece>(from + begin, 0);
                BLINK_UNROLL
                for (int i = 0; i < piece; ++i) { x.v[begin + i] = loaded.v[i]; }
                continue;
            }
            BLINK_UNROLL
            for (int i = begin; i < begin + piece; ++i) {
                if (i < n) { x.v[i] = from[i]; }
            }
        }
        return x;
    }

    /// Writes them to the output likewise.
    BLINK_DEVICE_CODE void keep(std::uint64_t u, const unit& x) const {
        T* const to = call->out[rank] + part.out_begin + first_element(u);
        const int n = filled(u);
        BLINK_UNROLL
        for (int begin = 0; begin < width; begin += piece) {
            if (wide_out && begin + piece <= n) {
                vector<T, piece> stored;
                BLINK_UNROLL
                for (int i = 0; i < piece; ++i) { stored.v[i] = x.v[begin + i]; }
                store<piece>(to + begin, 0, stored);
                continue;
            }
            BLINK_UNROLL
            for (int i = begin; i < begin + piece; ++i) {
                if (i < n) { to[i] = x.v[i]; }
            }
        }
    }

    /// Unit `u` in which `Op` combines.
    template <class Op>
    using accumulator = vector<accumulator_of<Op, T>, width>;

    /// This rank's own input, ready to be combined.
    template <class Op>
    [[nodiscard]] BLINK_DEVICE_CODE accumulator<Op> contribution(const Op& op, std::uint64_t u) const {
        accumulator<Op> own = converted<accumulator_of<Op, T>>(input(u));
        if constexpr (preparing_operator<Op, T>) {
            each_filled(u, [&](int i) { own.v[i] = prepare(op, own.v[i], rank); });
        }
        return own;
    }

    /// `into` combined with `with`, in the elements that are filled.
    template <class Op>
    BLINK_DEVICE_CODE void add(const Op& op, std::uint64_t u, accumulator<Op>& into, const unit& with) const {
        using wide = accumulator_of<Op, T>;
        const accumulator<Op> other = converted<wide>(with);
        each_filled(u, [&](int i) { into.v[i] = static_cast<wide>(op(into.v[i], other.v[i])); });
    }

    /// The total, finished and rounded.
    template <class Op>
    [[nodiscard]] BLINK_DEVICE_CODE unit complete(const Op& op, std::uint64_t u, const accumulator<Op>& total) const {
        accumulator<Op> finished = total;
        if constexpr (finishing_operator<Op, T>) {
            each_filled(u, [&](int i) { finished.v[i] = finish(op, total.v[i], call->ranks); });
        }
        return converted<T>(finished);
    }

  private:
    template <class Function>
    BLINK_DEVICE_CODE void each_filled(std::uint64_t u, const Function& f) const {
        const int n = filled(u);
        BLINK_UNROLL
        for (int i = 0; i < width; ++i) {
            if (i < n) { f(i); }
        }
    }
};

/// Lane and elements of the running block.
template <class Wire, class Machine, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline ll_context<Wire, Machine, T> locate_rows(const Machine& machine,
                                                                                const ll_call<T>& call) {
    const auto fits = [](const T* p) {
        return ll_unit_elements<T> == 1 || (reinterpret_cast<std::uintptr_t>(p) & 7U) == 0;
    };
    const int rank = call.local_ranks[machine.local_rank()];
    const int block = machine.block();
    const block_part part = part_of(call, block);
    return {machine,
            &call,
            rank,
            block,
            part,
            call.flags[rank][block].call + 1,
            call.in[rank] != nullptr && fits(call.in[rank] + part.in_begin),
            call.out[rank] != nullptr && fits(call.out[rank] + part.out_begin)};
}

/// Waits until each of `readers` has read the rows that this call writes over. False after the deadline.
template <class Context>
[[nodiscard]] BLINK_DEVICE_CODE inline bool enter_rows(const Context& at, const rank_list& readers) {
    const auto whole = at.machine.make_group(0, 0, at.machine.threads());
    bool ok = true;
    if (at.machine.thread() < readers.count && at.number > 2) {
        const int reader = readers[at.machine.thread()];
        const std::uint64_t* const flag = &at.call->flags[at.rank][at.block].finished[reader];
        ok = wait_until(
            at.machine, *at.call, [&] { return at.machine.load(flag) + 2 >= at.number; },
            [&] { return fault{awaited::room, at.rank, reader, at.part.lane, at.block, 0}; });
    }
    return whole.all(ok);
}

/// Tells all other ranks that this one has read its rows.
template <class Context>
BLINK_DEVICE_CODE inline void leave_rows(const Context& at) {
    at.machine.sync();
    const int other = at.machine.thread();
    if (other < at.call->ranks && other != at.rank) {
        at.machine.fence();
        at.machine.store(&at.call->flags[other][at.block].finished[at.rank], at.number);
    }
    if (other == at.rank) { at.call->flags[at.rank][at.block].call = at.number; }
}

/// The program of every thread of a block over the trees of `schedule`.
template <class Wire, class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void ll_tree_block(const Machine& machine, const ll_call<T>& call, const Schedule& schedule,
                                            const Op& op) {
    const auto at = locate_rows<Wire>(machine, call);
    const int lane = at.part.lane;
    const int up_parent = call.up ? schedule.reduce_parent(lane, at.rank) : no_rank;
    const int down_parent = call.down ? schedule.broadcast_parent(lane, at.rank) : no_rank;
    const bool is_root = up_parent == no_rank && down_parent == no_rank;
    const rank_list children = call.up ? reduce_children(schedule, lane, at.rank, call.ranks) : rank_list{};
    const rank_list readers = call.down ? broadcast_children(schedule, lane, at.rank, call.ranks) : rank_list{};
    rank_list written = readers;
    if (up_parent != no_rank && readers.find(up_parent) == readers.count) { written.add(up_parent); }

    bool ok = enter_rows(at, written);
    const T* const kept = call.out[at.rank];
    const bool keeps =
        is_root && kept != nullptr && (call.up || kept + at.part.out_begin != call.in[at.rank] + at.part.in_begin);
    using unit = typename decltype(at)::unit;
    const std::uint64_t step = at.unit_step();
    const std::uint64_t first = at.first_unit();
    for (std::uint64_t u = first; ok && (call.up || is_root) && u < at.units(); u += step) {
        unit result;
        if (call.up) {
            auto total = at.contribution(op, u);
            for (int c = 0; ok && c < children.count; ++c) {
                unit partial;
                ok = at.receive(children[c], false, u, partial);
                if (ok) { at.add(op, u, total, partial); }
            }
            if (!ok) { break; }
            if (up_parent != no_rank) {
                at.send(up_parent, false, u, converted<T>(total));
                continue;
            }
            result = at.complete(op, u, total);
        } else {
            result = at.input(u); // as it is: nothing is combined
        }
        for (int r = 0; r < readers.count; ++r) { at.send(readers[r], true, u, result); }
        if (keeps) { at.keep(u, result); }
    }
    for (std::uint64_t u = first; ok && down_parent != no_rank && u < at.units(); u += step) {
        unit result;
        ok = at.receive(down_parent, true, u, result);
        if (!ok) { break; }
        for (int r = 0; r < readers.count; ++r) { at.send(readers[r], true, u, result); }
        at.keep(u, result);
    }
    leave_rows(at);
}

/// The program of every thread of a block in an AllReduce without trees: each rank sends its elements to all others and
/// combines all contributions in the order of the ranks, so that one trip is enough and all have the same bits.
template <class Wire, class Machine, class T, class Op>
BLINK_DEVICE_CODE inline void all_pairs_block(const Machine& machine, const ll_call<T>& call, const Op& op) {
    const auto at = locate_rows<Wire>(machine, call);
    rank_list others;
    for (int r = 0; r < call.ranks; ++r) {
        if (r != at.rank) { others.add(r); }
    }
    bool ok = enter_rows(at, others);
    using unit = typename decltype(at)::unit;
    for (std::uint64_t u = at.first_unit(); ok && u < at.units(); u += at.unit_step()) {
        // What is added here has to be what the others get.
        const unit own = settled(converted<T>(at.contribution(op, u)));
        for (int i = 0; i < others.count; ++i) { at.send(others[i], false, u, own); }
        auto total = converted<accumulator_of<Op, T>>(own);
        for (int r = 0; ok && r < call.ranks; ++r) {
            unit contribution = own;
            if (r != at.rank) { ok = at.receive(r, false, u, contribution); }
            if (r == 0) {
                total = converted<accumulator_of<Op, T>>(contribution);
            } else if (ok) {
                at.add(op, u, total, contribution);
            }
        }
        if (!ok) { break; }
        at.keep(u, at.complete(op, u, total));
    }
    leave_rows(at);
}

/// The program of every thread of a block.
template <class Wire, class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void ll_block(const Machine& machine, const ll_call<T>& call, const Schedule& schedule,
                                       const Op& op) {
    if (call.straight) {
        all_pairs_block<Wire>(machine, call, op);
    } else {
        ll_tree_block<Wire>(machine, call, schedule, op);
    }
}

} // namespace blink::cuda
