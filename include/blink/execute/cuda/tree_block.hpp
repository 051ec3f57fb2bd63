// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a block does: it works in one lane of a schedule, as one rank, on its part of the lane's elements.
///
/// The threads of a block form two groups that run at once. The up group waits for its children's partial results in
/// its own slots, combines them with its own input, and pushes the result into its parent's slots; at the root it
/// stores the result into its own output and into its children's. The down group waits until its parent has stored
/// a result into its output and passes it on to its children. So every hop is a push of posted stores, and a chunk
/// is announced by one flag behind a system fence.
///
/// Why writing into a peer's output is safe: a rank announces that it has entered the call (`output_ready`,
/// `room_granted`), and that follows whatever its stream did with the buffers before.
///
/// A relay stop is a participant without buffers: what comes up goes on from its slots to its parent's, and what comes
/// down is stored into a row of slots of its own, for which it grants room like a parent on the way up. In a staged
/// call all ranks but the root get their results through such slots, and take them from there into their own output:
/// for ranks that do not see each other's buffers.
///
/// In a pulled call nothing goes up through slots: a parent reads a leaf's input, and the partial result of any other
/// child in that child's output, where the result will replace it. A leaf announces all its chunks at once.
///
/// `Machine` is what the block runs on: `gpu_machine` in a kernel, threads of the host in tests.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

/// Where one block stands: its rank, its lane, its elements, its number of this call.
template <class Machine, class T>
struct block_context {
    Machine machine;
    const tree_call<T>* call;
    int rank;
    int lane;
    int block;
    std::uint64_t number;    ///< of this call, for the flags
    std::uint64_t in_begin;  ///< first element, in the inputs
    std::uint64_t out_begin; ///< and in the outputs
    std::uint64_t elements;
    std::uint32_t chunk_elements; ///< alike on all ranks
    std::uint32_t chunks;

    [[nodiscard]] BLINK_DEVICE_CODE std::uint64_t chunk_offset(std::uint32_t c) const {
        return std::uint64_t{c} * chunk_elements;
    }
    [[nodiscard]] BLINK_DEVICE_CODE std::uint32_t chunk_size(std::uint32_t c) const {
        const std::uint64_t left = elements - chunk_offset(c);
        return left < chunk_elements ? static_cast<std::uint32_t>(left) : chunk_elements;
    }
    [[nodiscard]] BLINK_DEVICE_CODE block_flags& flags_of(int r) const { return call->flags[r][block]; }
    [[nodiscard]] BLINK_DEVICE_CODE bool is_relay(int participant) const { return participant >= call->ranks; }

    /// Chunks that have to be out of a ring of slots before chunk `c` may go in.
    [[nodiscard]] BLINK_DEVICE_CODE std::uint32_t emptied_before(std::uint32_t c) const {
        return c < call->slots_per_child ? 0 : c - call->slots_per_child + 1;
    }

    /// Chunk `c` of this lane goes over the hop between `child` and its parent, in one direction.
    BLINK_DEVICE_CODE void carry(int child, bool up, std::uint32_t c) const {
        machine.carry(lane, child, up, std::uint64_t{chunk_size(c)} * sizeof(T));
    }

    /// Where the slot of chunk `c` begins in its ring, in elements.
    [[nodiscard]] BLINK_DEVICE_CODE std::size_t ring_offset(std::uint32_t c) const {
        return std::size_t{c % call->slots_per_child} * chunk_elements;
    }

    /// Slot of chunk `c` in the memory of `owner`, for its `child`-th child.
    [[nodiscard]] BLINK_DEVICE_CODE T* slot(int owner, int child, std::uint32_t c) const {
        const std::size_t row = static_cast<std::size_t>(block) * call->slot_rows + static_cast<std::size_t>(child);
        const std::size_t ring = row * call->slots_per_child * call->slot_bytes;
        return reinterpret_cast<T*>(call->slots[owner] + ring) + ring_offset(c);
    }

    /// Whether the parent of `participant` stores results into its slots.
    [[nodiscard]] BLINK_DEVICE_CODE bool reads_slots(int participant) const {
        return call->staged || is_relay(participant);
    }

    /// Slot of chunk `c` at a participant that reads slots, on the way down.
    [[nodiscard]] BLINK_DEVICE_CODE T* down_slot(int participant, std::uint32_t c) const {
        return slot(participant, call->slot_rows - 1, c);
    }

    /// Chunk `c` of the result, where this participant's parent has stored it.
    [[nodiscard]] BLINK_DEVICE_CODE const T* result(std::uint32_t c) const {
        return reads_slots(rank) ? down_slot(rank, c) : call->out[rank] + out_begin + chunk_offset(c);
    }

    /// Where results for `reader` are stored: its output at element 0, or its ring of slots.
    [[nodiscard]] BLINK_DEVICE_CODE T* place_at(int reader) const {
        return reads_slots(reader) ? down_slot(reader, 0) : call->out[reader];
    }

    /// One thread waits until chunk `c` may be stored where `reader` reads: into its output once it is in this call.
    [[nodiscard]] BLINK_DEVICE_CODE bool wait_for_reader(int reader, std::uint32_t c) const {
        const std::uint64_t* const flag = &flags_of(rank).output_ready[reader];
        if (reads_slots(reader)) { return wait(flag, emptied_before(c), awaited::room, reader, c); }
        return c > 0 || wait(flag, 0, awaited::readiness, reader, c);
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

/// What a chunk's result is stored to: outputs, or slots of those who read slots.
/// @param outputs see `block_context::place_at`
/// @param own 1 where the first output is this rank's own, for which there is no reader
template <class Context, class T>
BLINK_DEVICE_CODE inline void set_outputs(chunk_io<T>& io, const Context& at, T* const* outputs, int own,
                                          const rank_list& readers, std::uint32_t c) {
    io.outputs = outputs;
    io.output_offset = at.out_begin + at.chunk_offset(c);
    io.ring_offset = at.ring_offset(c);
    io.targets = own + readers.count;
    for (int i = 0; i < readers.count; ++i) { io.staged |= (at.reads_slots(readers[i]) ? 1U : 0U) << (own + i); }
}

/// Where a parent finds what its child contributes in a pulled call, element 0 of the block.
template <class Context, device_schedule Schedule>
[[nodiscard]] BLINK_DEVICE_CODE inline auto contribution_of(const Context& at, const Schedule& schedule, int child) {
    const auto& call = *at.call;
    const bool leaf = reduce_children(schedule, at.lane, child, call.participants).count == 0;
    return leaf ? call.in[child] + at.in_begin : call.out[child] + at.out_begin;
}

/// A leaf's way up in a pulled call: its parent may read all of its input, and has done so where this returns without
/// a fault. Where a result comes down, the result says the latter.
template <class Context, class Group>
BLINK_DEVICE_CODE inline void offer_input(const Context& at, const Group& group, int parent) {
    if (group.thread != 0) { return; }
    at.machine.fence();
    at.machine.store(&at.flags_of(parent).partial_arrived[at.rank], flag_value(at.number, at.chunks));
    if (!at.call->down && at.chunks > 0) {
        (void)at.wait(&at.flags_of(at.rank).room_granted[parent], at.chunks, awaited::room, parent, at.chunks - 1);
    }
}

/// True where all outputs can be stored to in full vectors; slots always can.
template <class Context, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wide_outputs(const Context& at, T* const* outputs, int own,
                                                         const rank_list& readers) {
    bool wide = own == 0 || aligned(outputs[0] + at.out_begin);
    for (int i = 0; i < readers.count; ++i) {
        wide = wide && (at.reads_slots(readers[i]) || aligned(outputs[own + i] + at.out_begin));
    }
    return wide;
}

/// The way up: combine, then push to the parent, or at the root store to the outputs.
/// @param outputs the root's targets: its own output where `own` is 1, and what `readers` read from
/// @param sources where each child's partial result is: the ring of slots, or the memory of which a pulled call reads
template <bool Pulled, class Context, class Group, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void run_up(const Context& at, const Group& group, const Schedule& schedule, T* const* outputs,
                                     int own, const rank_list& readers, const T* const* sources, const Op& op) {
    const tree_call<T>& call = *at.call;
    const int parent = call.up ? schedule.reduce_parent(at.lane, at.rank) : no_rank;
    const rank_list children = call.up ? reduce_children(schedule, at.lane, at.rank, call.participants) : rank_list{};
    const int place =
        parent == no_rank ? 0 : reduce_children(schedule, at.lane, parent, call.participants).find(at.rank);
    const bool relay = at.is_relay(at.rank);
    block_flags& mine = at.flags_of(at.rank);
    if constexpr (Pulled) {
        if (parent != no_rank && children.count == 0) { return offer_input(at, group, parent); }
    }

    // This rank is in the call and its slots are empty: children may push. The fence carries over what earlier
    // calls stored there, possibly from other ranks.
    if (group.thread < children.count) {
        at.machine.fence();
        at.machine.store(&at.flags_of(children[group.thread]).room_granted[at.rank], flag_value(at.number, 0));
    }

    const bool stores_up = !Pulled && parent != no_rank; // into a slot of its parent
    T* const partial = parent == no_rank ? nullptr
                       : stores_up       ? at.slot(parent, place, 0)
                                         : call.out[at.rank] + at.out_begin;
    bool wide = (relay || aligned(call.in[at.rank] + at.in_begin)) && wide_outputs(at, outputs, own, readers);
    if constexpr (Pulled) {
        wide = wide && aligned(partial);
        for (int i = 0; i < children.count; ++i) { wide = wide && aligned(sources[i]); }
    }
    for (std::uint32_t c = 0; c < at.chunks; ++c) {
        bool ok = true;
        if (group.thread < children.count) {
            const int child = children[group.thread];
            ok = at.wait(&mine.partial_arrived[child], c + 1, awaited::partial, child, c);
        } else if (stores_up && group.thread == children.count) {
            ok = at.wait(&mine.room_granted[parent], at.emptied_before(c), awaited::room, parent, c);
        } else if (group.thread < children.count + readers.count) {
            ok = at.wait_for_reader(readers[group.thread - children.count], c);
        }
        if (!group.all(ok)) { return; }

        chunk_io<T> io{};
        io.own = relay ? at.slot(at.rank, 0, c) : call.in[at.rank] + at.in_begin + at.chunk_offset(c);
        io.contributor = call.up && !relay ? at.rank : no_contributor;
        io.children = relay ? 0 : children.count; // a relay has one child, and nothing to add to what it sends
        const std::size_t along = Pulled ? at.chunk_offset(c) : at.ring_offset(c);
        io.sources = sources;
        io.source_offset = along;
        if (parent != no_rank) {
            io.slot = partial + along;
            io.targets = 1;
        } else {
            set_outputs(io, at, outputs, own, readers, c);
        }
        combine_chunk(group, at.chunk_size(c), io, wide, op, parent == no_rank && call.up ? call.ranks : 0);

        group.sync();
        if (group.thread < 32) {
            const std::uint64_t value = flag_value(at.number, c + 1);
            at.machine.fence();
            if (group.thread < children.count) {
                if constexpr (Pulled) { at.carry(children[group.thread], true, c); }
                at.machine.store(&at.flags_of(children[group.thread]).room_granted[at.rank], value);
            } else if (group.thread < children.count + readers.count) {
                const int reader = readers[group.thread - children.count];
                at.carry(reader, false, c);
                at.machine.store(&at.flags_of(reader).result_arrived[at.rank], value);
            } else if (parent != no_rank && group.thread == children.count) {
                if (stores_up) { at.carry(at.rank, true, c); }
                at.machine.store(&at.flags_of(parent).partial_arrived[at.rank], value);
            }
        }
    }
}

/// The way down, on everyone but the root: wait for the parent's stores, pass them on.
/// @param own 1 where the first output is this rank's own, which the results do not reach by themselves
template <class Context, class Group, class T>
BLINK_DEVICE_CODE inline void run_down(const Context& at, const Group& group, int parent, const rank_list& children,
                                       T* const* outputs, int own) {
    const tree_call<T>& call = *at.call;
    block_flags& mine = at.flags_of(at.rank);
    if (group.thread == 0) {
        at.machine.fence();
        at.machine.store(&at.flags_of(parent).output_ready[at.rank], flag_value(at.number, 0));
    }

    const bool grants_room = at.reads_slots(at.rank);
    const bool wide =
        (grants_room || aligned(call.out[at.rank] + at.out_begin)) && wide_outputs(at, outputs, own, children);

    for (std::uint32_t c = 0; c < at.chunks; ++c) {
        bool ok = true;
        if (group.thread == 0) {
            ok = at.wait(&mine.result_arrived[parent], c + 1, awaited::result, parent, c);
        } else if (group.thread <= children.count) {
            ok = at.wait_for_reader(children[group.thread - 1], c);
        }
        if (!group.all(ok)) { return; }
        if (own + children.count == 0) { continue; }

        chunk_io<T> io{};
        io.own = at.result(c);
        set_outputs(io, at, outputs, own, children, c);
        combine_chunk(group, at.chunk_size(c), io, wide, first_of_two{}, 0);

        group.sync();
        if (group.thread < 32) {
            at.machine.fence();
            if (group.thread < children.count) {
                const int child = children[group.thread];
                at.carry(child, false, c);
                at.machine.store(&at.flags_of(child).result_arrived[at.rank], flag_value(at.number, c + 1));
            } else if (grants_room && group.thread == children.count) {
                at.machine.store(&at.flags_of(parent).output_ready[at.rank], flag_value(at.number, c + 1));
            }
        }
    }
}

/// Where the running block stands.
template <class Machine, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline block_context<Machine, T> locate(const Machine& machine,
                                                                        const tree_call<T>& call) {
    block_context<Machine, T> at{};
    at.machine = machine;
    at.call = &call;
    at.rank = call.local_ranks[machine.local_rank()];
    at.block = machine.block();
    const block_part part = part_of(call, at.block);
    at.lane = part.lane;
    at.elements = part.elements;
    at.in_begin = part.in_begin;
    at.out_begin = part.out_begin;
    at.chunk_elements = call.chunk_now == nullptr ? call.chunk_elements : *call.chunk_now;
    at.chunks = static_cast<std::uint32_t>((at.elements + at.chunk_elements - 1) / at.chunk_elements);
    at.number = at.flags_of(at.rank).call + 1;
    return at;
}

/// The program of every thread of a block.
/// @tparam Pulled whether parents read partial results where they are; not with relays, not staged
/// @param outputs memory that the threads of the block share, for `max_ranks` + 1 pointers
/// @param sources likewise, for `max_ranks`
template <bool Pulled = false, class Machine, class T, class Op, device_schedule Schedule>
BLINK_DEVICE_CODE inline void tree_block(const Machine& machine, const tree_call<T>& call, const Schedule& schedule,
                                         const Op& op, T** outputs, const T** sources) {
    const auto at = locate(machine, call);
    const bool relay = at.is_relay(at.rank);
    const int up_parent = call.up ? schedule.reduce_parent(at.lane, at.rank) : no_rank;
    const int down_parent = call.down ? schedule.broadcast_parent(at.lane, at.rank) : no_rank;
    const bool receives_result = down_parent != no_rank;
    const bool is_root = !relay && !receives_result && up_parent == no_rank;
    const bool sends_up = up_parent != no_rank || (call.up && !relay) || is_root;
    const rank_list readers =
        call.down ? broadcast_children(schedule, at.lane, at.rank, call.participants) : rank_list{};

    // A root stores to its own output, unless that is its input unchanged, and to those of its readers; so does a rank
    // that has a result in its slots.
    const bool unloads = call.staged && receives_result && !relay;
    T* const kept = is_root || unloads ? call.out[at.rank] : nullptr;
    const bool unchanged = is_root && !call.up && kept + at.out_begin == call.in[at.rank] + at.in_begin;
    const int own = kept != nullptr && !unchanged ? 1 : 0;
    if (machine.thread() == 0) {
        if (own == 1) { outputs[0] = kept; }
        for (int i = 0; i < readers.count; ++i) { outputs[own + i] = at.place_at(readers[i]); }
    }
    const rank_list children =
        call.up && sends_up ? reduce_children(schedule, at.lane, at.rank, call.participants) : rank_list{};
    if (machine.thread() < children.count) {
        const int child = children[machine.thread()];
        if constexpr (Pulled) {
            sources[machine.thread()] = contribution_of(at, schedule, child);
        } else {
            sources[machine.thread()] = at.slot(at.rank, machine.thread(), 0);
        }
    }
    machine.sync();

    // Without contributions only the root has anything to send; a leaf on the way down only polls, for which a warp
    // is enough.
    const int threads = machine.threads();
    const bool moves_result = readers.count > 0 || unloads;
    const bool offers = Pulled && up_parent != no_rank && children.count == 0;
    const int up_threads = !sends_up          ? 0
                           : !receives_result ? threads
                           : offers           ? 32
                           : moves_result     ? threads / 2
                                              : threads - 32;
    if (machine.thread() < up_threads) {
        const auto group = machine.make_group(0, 0, up_threads);
        run_up<Pulled>(at, group, schedule, outputs, is_root ? own : 0, is_root ? readers : rank_list{}, sources, op);
    } else if (receives_result) {
        const auto group = machine.make_group(1, up_threads, threads - up_threads);
        run_down(at, group, down_parent, readers, outputs, own);
    }
    machine.sync();
    if (machine.thread() == 0) { at.flags_of(at.rank).call = at.number; }
}

} // namespace blink::cuda
