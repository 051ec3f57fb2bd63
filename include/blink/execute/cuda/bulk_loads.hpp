// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The threads that start loads in bulk, into the stages of a flow.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/bulk_ring.hpp>
#include <blink/execute/cuda/bulk_waits.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// Brings `size` elements into a stage, those that fill no bulk copy at once.
template <class Machine, class T, class Barrier>
BLINK_DEVICE_CODE inline void fetch(const Machine& machine, T* to, const T* from, std::uint32_t size,
                                    Barrier& barrier) {
    const std::uint32_t whole = in_bulk<T>(size);
    if (whole > 0) { machine.bulk_load(to, from, static_cast<std::uint32_t>(whole * sizeof(T)), barrier); }
    BLINK_NO_UNROLL
    for (std::uint32_t i = whole; i < size; ++i) { to[i] = from[i]; }
}

/// What one thread loads of a stage.
template <class T>
struct bulk_source {
    rank_list children; ///< whose slots are loaded, each behind its flag; where there are none,
    const T* own;       ///< element 0 of the part,
    int giver;          ///< behind a flag of whom, or `no_rank`
};

/// Waits until chunk `c` may be loaded.
/// @param seen of the flag that is the furthest behind
template <class Context, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_for_source(const Context& at, std::uint32_t* stop,
                                                            const bulk_source<T>& from, std::uint32_t c,
                                                            std::uint64_t& seen) {
    if (from.children.count + (from.giver == no_rank ? 0 : 1) == 0 || seen >= flag_value(at.number, c + 1)) {
        return true;
    }
    block_flags& mine = at.flags_of(at.rank);
    bool ok = true;
    if (from.giver != no_rank) {
        ok = wait_flag(at, stop, &mine.result_arrived[from.giver], c + 1, awaited::result, from.giver, c, seen);
    } else {
        std::uint64_t least = flag_value(at.number + 1, 0);
        for (int i = 0; ok && i < from.children.count; ++i) {
            const int child = from.children[i];
            ok = wait_flag(at, stop, &mine.partial_arrived[child], c + 1, awaited::partial, child, c, seen);
            least = seen < least ? seen : least;
        }
        seen = least;
    }
    at.machine.proxy_fence(); // what was stored by others is read in bulk
    return ok;
}

/// A thread that loads its part of every stage. Returns when all that it started has arrived.
/// @param full its barriers
template <class Context, class Flow, class Barrier, class T>
BLINK_DEVICE_CODE inline void load_flow(const Context& at, const Flow& flow, std::uint32_t* stop, Barrier* full,
                                        const bulk_source<T>& from) {
    const bool joins = from.children.count > 0;
    const auto count = joins ? static_cast<std::uint32_t>(from.children.count) : 1U;
    const std::uint32_t place = joins ? flow.piece : 0;
    const std::size_t row = std::size_t{at.call->slots_per_child} * at.call->slot_bytes / sizeof(T);
    ring_cursor to = ring_cursor::of(0, flow.stages);
    std::uint64_t seen = 0;
    std::uint32_t started = 0;
    bool ok = true;
    at.machine.proxy_fence();
    for (std::uint32_t c = 0; ok && c < at.chunks; ++c) {
        ok = wait_for_source(at, stop, from, c, seen);
        const T* const chunk = joins ? at.slot(at.rank, 0, c) : from.own + at.chunk_offset(c);
        const std::uint32_t n = at.chunk_size(c);
        for (std::uint32_t first = 0; ok && first < n; first += flow.piece, to.advance(1)) {
            ok = wait_phase(at.machine, flow.at->empty[to.index], to.parity ^ 1U, stop);
            if (!ok) { break; }
            const std::uint32_t size = n - first < flow.piece ? n - first : flow.piece;
            T* const stage = flow.stage(to.index) + place;
            at.machine.expect(full[to.index], static_cast<std::uint32_t>(in_bulk<T>(size) * sizeof(T)) * count);
            BLINK_NO_UNROLL
            for (std::uint32_t i = 0; i < count; ++i) {
                fetch(at.machine, stage + i * flow.piece, chunk + i * row + first, size, full[to.index]);
            }
            at.machine.arrive(full[to.index]);
            ++started;
        }
    }
    // Nothing may arrive in the memory of a block that has ended.
    for (std::uint32_t i = started < flow.stages ? 0 : started - flow.stages; i < started; ++i) {
        const ring_cursor last = ring_cursor::of(i, flow.stages);
        while (!at.machine.passed(full[last.index], last.parity)) {}
    }
}

} // namespace blink::cuda
