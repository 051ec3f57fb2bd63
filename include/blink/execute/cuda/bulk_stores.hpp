// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The threads that start stores in bulk, and announce chunks whose stores are complete.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/bulk_ring.hpp>
#include <blink/execute/cuda/bulk_waits.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstdint>

namespace blink::cuda {

/// Where a flow's results go.
struct bulk_targets {
    int parent = no_rank; ///< into its slots, as its child number `place`; else
    int place = 0;
    int own = 0;        ///< 1: into this rank's output, and
    rank_list readers;  ///< into theirs
    rank_list children; ///< of whom slots were read, for which there is room again
};

/// Waits until chunk `c` may be stored to all targets; a reader lets all chunks in at once.
/// @param seen of the parent's room
template <class Context>
[[nodiscard]] BLINK_DEVICE_CODE inline bool
wait_for_targets(const Context& at, std::uint32_t* stop, const bulk_targets& to, std::uint32_t c, std::uint64_t& seen) {
    block_flags& mine = at.flags_of(at.rank);
    if (to.parent != no_rank) {
        const std::uint32_t emptied = at.emptied_before(c);
        return seen >= flag_value(at.number, emptied) ||
               wait_flag(at, stop, &mine.room_granted[to.parent], emptied, awaited::room, to.parent, c, seen);
    }
    bool ok = true;
    for (int i = 0; ok && c < bulk_storers && i < to.readers.count; ++i) {
        const int reader = to.readers[i];
        ok = wait_flag(at, stop, &mine.output_ready[reader], 0, awaited::readiness, reader, c, seen);
    }
    return ok;
}

/// Where chunk `c` is stored for target `t` of `to`.
template <class Context>
[[nodiscard]] BLINK_DEVICE_CODE inline auto* target_of(const Context& at, const bulk_targets& to, std::uint32_t c,
                                                       int t) {
    return to.parent != no_rank
               ? at.slot(to.parent, to.place, c)
               : at.call->out[t < to.own ? at.rank : to.readers[t - to.own]] + at.out_begin + at.chunk_offset(c);
}

/// Stores `size` elements of a piece to one target; what fills no bulk copy is there at once.
template <class Machine, class T>
BLINK_DEVICE_CODE inline void store_piece(const Machine& machine, T* to, const T* from, std::uint32_t size) {
    const std::uint32_t whole = in_bulk<T>(size);
    if (whole > 0) { machine.bulk_store(to, from, static_cast<std::uint32_t>(whole * sizeof(T))); }
    BLINK_NO_UNROLL
    for (std::uint32_t i = whole; i < size; ++i) { to[i] = from[i]; }
}

/// Chunk `c` is where it belongs.
template <class Context>
BLINK_DEVICE_CODE inline void announce(const Context& at, const bulk_targets& to, std::uint32_t c) {
    const std::uint64_t value = flag_value(at.number, c + 1);
    at.machine.proxy_fence();
    at.machine.fence();
    if (to.parent != no_rank) {
        at.carry(at.rank, true, c);
        at.machine.store(&at.flags_of(to.parent).partial_arrived[at.rank], value);
    }
    for (int i = 0; i < to.readers.count; ++i) {
        at.carry(to.readers[i], false, c);
        at.machine.store(&at.flags_of(to.readers[i]).result_arrived[at.rank], value);
    }
    for (int i = 0; i < to.children.count; ++i) {
        at.machine.store(&at.flags_of(to.children[i]).room_granted[at.rank], value);
    }
}

/// Waits until the thread that stores the chunk before `c` has arrived at its barrier.
template <class Machine, class Barrier>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_before(const Machine& machine, Barrier* barriers, std::uint32_t c,
                                                        const std::uint32_t* stop) {
    return c == 0 || wait_phase(machine, barriers[(c - 1) % bulk_storers], (c - 1) / bulk_storers & 1U, stop);
}

/// A thread that stores: of every chunk whose turn it is among `bulk_storers`, every piece whose turn it is among
/// `bulk_issuers`. Returns when its stores are complete.
template <class Context, class Flow>
BLINK_DEVICE_CODE inline void store_flow(const Context& at, const Flow& flow, std::uint32_t* stop,
                                         const bulk_targets& to, std::uint32_t storer) {
    const std::uint32_t pieces = (at.chunk_elements - 1) / flow.piece + 1; // of a full chunk
    const std::uint32_t issuer = storer % bulk_issuers;
    const int targets = to.parent != no_rank ? 1 : to.own + to.readers.count;
    std::uint64_t seen = 0;
    bool ok = true;
    for (std::uint32_t c = storer / bulk_issuers; ok && c < at.chunks; c += bulk_storers) {
        ok = wait_for_targets(at, stop, to, c, seen);
        // A barrier tells of one phase back, no more: so a chunk is begun when all before it have been started.
        ok = ok && wait_before(at.machine, flow.at->started, c, stop);
        ring_cursor from = ring_cursor::of(c * pieces + issuer, flow.results);
        ring_cursor read = from;
        auto* const first_target = targets > 0 ? target_of(at, to, c, 0) : nullptr;
        auto* const second_target = targets > 1 ? target_of(at, to, c, 1) : nullptr;
        std::uint32_t pending = 0; // pieces that stores may still read
        const std::uint32_t n = at.chunk_size(c);
        for (std::uint32_t first = issuer * flow.piece; ok && first < n; first += bulk_issuers * flow.piece) {
            ok = wait_phase(at.machine, flow.storable(from.index), from.parity, stop);
            if (!ok) { break; }
            const auto* const piece = flow.result(from.index);
            const std::uint32_t size = n - first < flow.piece ? n - first : flow.piece;
            for (int t = 0; t < targets; ++t) {
                auto* const chunk = t == 0 ? first_target : t == 1 ? second_target : target_of(at, to, c, t);
                store_piece(at.machine, chunk + first, piece, size);
            }
            at.machine.commit();
            from.advance(bulk_issuers);
            if (++pending > most_pending_stores) {
                at.machine.template wait_read<most_pending_stores>();
                at.machine.arrive(flow.reusable(read.index));
                read.advance(bulk_issuers);
                --pending;
            }
        }
        if (ok) { at.machine.arrive(flow.at->started[c % bulk_storers]); }
        at.machine.template wait_read<0>();
        for (; ok && pending > 0; --pending, read.advance(bulk_issuers)) {
            at.machine.arrive(flow.reusable(read.index));
        }
        at.machine.wait_stored();
        if (!ok) { break; }
        at.machine.arrive(flow.at->stored[c % bulk_storers]);
        if (issuer > 0) { continue; }
        ok = wait_phase(at.machine, flow.at->stored[c % bulk_storers], c / bulk_storers & 1U, stop) &&
             wait_before(at.machine, flow.at->told, c, stop);
        if (ok) {
            announce(at, to, c);
            at.machine.arrive(flow.at->told[c % bulk_storers]);
        }
    }
}

} // namespace blink::cuda
