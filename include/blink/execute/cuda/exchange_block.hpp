// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The program of one block of an exchange.
///
/// The source stores chunks straight into the destination's output, each announced by one flag behind a system fence,
/// or, where others lie between, into a ring of slots at the next rank, which passes them on. A rank announces first
/// that it is in the call; only then is anything stored into its memory. What a rank begins and what it forwards run on
/// warps of their own, since the one may wait for what another rank forwards.
///
/// Flags and call numbers are those of `tree_block`, so that calls of both sorts may follow each other.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/exchange_call.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace blink::cuda {

/// Where one block stands in an exchange.
template <class Machine, class Unit>
struct exchange_context {
    Machine machine;
    const exchange_call<Unit>* call;
    int rank;
    int lane;
    int block;
    std::uint64_t number; ///< of this call, for the flags

    [[nodiscard]] BLINK_DEVICE_CODE block_flags& flags_of(int r) const { return call->flags[r][block]; }

    /// The part of a transfer that this block carries: units [first, first + size).
    struct part {
        std::uint64_t first;
        std::uint64_t size;
        std::uint32_t chunks;
    };
    [[nodiscard]] BLINK_DEVICE_CODE part part_of(const routed_transfer& t) const {
        const std::uint64_t grains = (t.count + call->grain - 1) / call->grain;
        const auto number_in_lane = static_cast<std::uint64_t>(block - call->first_block[lane]);
        const auto blocks = static_cast<std::uint64_t>(call->first_block[lane + 1] - call->first_block[lane]);
        const std::uint64_t first = grains * number_in_lane / blocks * call->grain;
        const std::uint64_t end = grains * (number_in_lane + 1) / blocks * call->grain;
        const std::uint64_t size = (end < t.count ? end : t.count) - (first < t.count ? first : t.count);
        return {first, size, static_cast<std::uint32_t>((size + call->chunk_units - 1) / call->chunk_units)};
    }

    /// Slot of chunk `c` in the memory of a rank that forwards.
    [[nodiscard]] BLINK_DEVICE_CODE Unit* slot(int owner, std::uint32_t c) const {
        const std::size_t index = static_cast<std::size_t>(block) * call->slots_per_block + c % call->slots_per_block;
        return reinterpret_cast<Unit*>(call->slots[owner]) + index * call->chunk_units;
    }

    /// One thread waits until `flag` reaches `wanted` chunks of this call; see `wait_until`.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait(const std::uint64_t* flag, std::uint32_t wanted, awaited what, int peer,
                                              std::uint32_t c) const {
        const std::uint64_t value = flag_value(number, wanted);
        return wait_until(
            machine, *call, [&] { return machine.load(flag) >= value; },
            [&] { return fault{what, rank, peer, lane, block, c}; });
    }
};

/// Passes a transfer on to the next rank of its route, or into this rank's own output where it is the only one.
/// @param here place of this rank on the route; not the last, unless the only one
template <class Context, class Group>
BLINK_DEVICE_CODE inline void pass_on(const Context& at, const Group& group, const routed_transfer& t, int here) {
    const auto& call = *at.call;
    const auto part = at.part_of(t);
    const bool begins = here == 0;
    const bool stays = t.last() == 0;
    const bool arrives = here + 1 >= t.last();
    const int before = begins ? at.rank : t.rank(here - 1);
    const int next = stays ? at.rank : t.rank(here + 1);
    block_flags& mine = at.flags_of(at.rank);
    const auto* const source = call.in[t.rank(0)] + t.in_begin + part.first;
    auto* const target = call.out[t.rank(t.last())] + t.out_begin + part.first;
    const bool wide = (!begins || aligned(source)) && (!arrives || aligned(target));

    for (std::uint32_t c = 0; c < part.chunks; ++c) {
        bool ok = true;
        if (group.thread == 0 && !begins) {
            ok = at.wait(&mine.partial_arrived[before], c + 1, awaited::result, before, c);
        } else if (group.thread == 1 && !stays) {
            const std::uint32_t emptied = c < call.slots_per_block ? 0 : c - call.slots_per_block + 1;
            ok = !arrives ? at.wait(&mine.room_granted[next], emptied, awaited::room, next, c)
                          : c > 0 || at.wait(&mine.output_ready[next], 0, awaited::readiness, next, c);
        }
        if (!group.all(ok)) { return; }

        const std::uint64_t offset = std::uint64_t{c} * call.chunk_units;
        const std::uint64_t left = part.size - offset;
        chunk_io<std::remove_const_t<std::remove_reference_t<decltype(*source)>>> io{};
        io.own = begins ? source + offset : at.slot(at.rank, c);
        io.slot = arrives ? target + offset : at.slot(next, c);
        io.targets = 1;
        combine_chunk(group, left < call.chunk_units ? static_cast<std::uint32_t>(left) : call.chunk_units, io, wide,
                      first_of_two{}, 0);

        group.sync();
        if (group.thread < 2) {
            const std::uint64_t value = flag_value(at.number, c + 1);
            at.machine.fence();
            if (group.thread == 0 && !begins) {
                at.machine.store(&at.flags_of(before).room_granted[at.rank], value);
            } else if (group.thread == 1 && !stays) {
                block_flags& theirs = at.flags_of(next);
                at.machine.store(arrives ? &theirs.result_arrived[at.rank] : &theirs.partial_arrived[at.rank], value);
            }
        }
    }
}

/// The program of every thread of a block.
template <class Machine, class Unit>
BLINK_DEVICE_CODE inline void exchange_block(const Machine& machine, const exchange_call<Unit>& call) {
    exchange_context<Machine, Unit> at{};
    at.machine = machine;
    at.call = &call;
    at.rank = call.local_ranks[machine.local_rank()];
    at.block = machine.block();
    while (at.lane + 1 < call.lane_count && at.block >= call.first_block[at.lane + 1]) { ++at.lane; }
    block_flags& mine = at.flags_of(at.rank);
    at.number = mine.call + 1;
    const lane_part todo = call.parts[at.lane][at.rank];
    const bool receives = todo.ends != no_transfer && call.transfers[todo.ends].last() > 0;
    const int writer = receives ? call.transfers[todo.ends].rank(call.transfers[todo.ends].last() - 1) : no_rank;

    // This rank is in the call. The fence carries over what earlier calls stored here.
    if (machine.thread() == 0) {
        machine.fence();
        if (receives) { machine.store(&at.flags_of(writer).output_ready[at.rank], flag_value(at.number, 0)); }
        if (todo.forwards != no_transfer) {
            const routed_transfer& t = call.transfers[todo.forwards];
            const int before = t.rank(t.find(at.rank) - 1);
            machine.store(&at.flags_of(before).room_granted[at.rank], flag_value(at.number, 0));
        }
    }

    const int threads = machine.threads();
    const int beginning = todo.begins == no_transfer ? 0 : todo.forwards == no_transfer ? threads : threads / 2;
    if (machine.thread() < beginning) {
        pass_on(at, machine.make_group(0, 0, beginning), call.transfers[todo.begins], 0);
    } else if (todo.forwards != no_transfer) {
        const routed_transfer& t = call.transfers[todo.forwards];
        pass_on(at, machine.make_group(1, beginning, threads - beginning), t, t.find(at.rank));
    }
    if (receives && machine.thread() == 0) {
        const std::uint32_t chunks = at.part_of(call.transfers[todo.ends]).chunks;
        for (std::uint32_t c = 0; c < chunks; ++c) {
            if (!at.wait(&mine.result_arrived[writer], c + 1, awaited::result, writer, c)) { break; }
        }
    }
    machine.sync();
    if (machine.thread() == 0) { mine.call = at.number; }
}

} // namespace blink::cuda
