// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The block program for GPUs whose multiprocessors copy in bulk (compute capability 9.0): the protocol of
/// `tree_block`, flag by flag, so that ranks which run either meet in one call.
///
/// No thread moves data through its registers. Of each flow, up and down, one thread waits for what it needs of other
/// ranks and starts loads into a ring; a few others, each with a chunk in turn, start the stores, wait until those are
/// complete, and announce the chunk: while one waits and fences, the next chunk's stores are under way. Where there is
/// something to combine, all other teams do so, from one ring into another.
///
/// Not for relay stops, staged or pulled calls. All buffers lie on 16 bytes; what is left at the end of a part and too
/// short for a bulk copy is moved by the threads that load and store.
///
/// `Machine` also has barriers that count bytes, and bulk copies: `bulk_machine` in a kernel, threads in tests.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/bulk_ring.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/combine.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/execute/cuda/tree_block.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(BULK_CLOCKS) && defined(__CUDACC__)
__device__ unsigned long long bulk_clock_sums[2][24];
#endif
#if defined(BULK_CLOCKS) && defined(__CUDA_ARCH__)
#define CLK_HERE (at.block == 0)
#define CLK(t) const long long t = clock64()
#define CLK_ADD(i, t) clk[(i) % 8] += clock64() - (t)
#define CLK_COUNT(i) clk[7] += 1
#define CLK_FLUSH(a, b) if (threadIdx.x % 32 == 0 && at.block == 0) for (int i_ = 0; i_ < 8; ++i_) atomicAdd(&bulk_clock_sums[0][(a) + i_], clk[i_])
#define CLK_DECL unsigned long long clk[8] = {}
#else
#define CLK(t)
#define CLK_ADD(i, t)
#define CLK_COUNT(i)
#define CLK_FLUSH(a, b)
#define CLK_DECL
#endif
namespace blink::cuda {

/// Elements that bulk copies can carry.
template <class T>
inline constexpr bool travels_in_bulk = 16 % sizeof(T) == 0;

/// Whether all buffers and shards of a call lie on 16 bytes, as bulk copies want them. Those that nobody touches count
/// too.
template <class T>
[[nodiscard]] bool lies_in_bulk(const tree_call<T>& call) {
    bool right = true;
    for (int r = 0; r < call.ranks; ++r) { right = right && aligned(call.in[r]) && aligned(call.out[r]); }
    for (int l = 0; l < call.lane_count; ++l) {
        right =
            right && call.lanes[l].in_offset * sizeof(T) % 16 == 0 && call.lanes[l].out_offset * sizeof(T) % 16 == 0;
    }
    return right;
}

/// Waits for the phase of `parity`; false where a thread of the block has given up.
template <class Machine, class Barrier>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_phase(const Machine& machine, Barrier& barrier, std::uint32_t parity,
                                                       const std::uint32_t* stop) {
    while (!machine.passed(barrier, parity)) {
        if (machine.stopped(stop)) { return false; }
    }
    return !machine.stopped(stop);
}

/// Elements of `size` that whole bulk copies carry.
template <class T>
[[nodiscard]] BLINK_DEVICE_CODE inline std::uint32_t in_bulk(std::uint32_t size) {
    constexpr std::uint32_t unit = full_width<T>;
    return size / unit * unit;
}

/// Brings `size` elements into a stage, those that fill no bulk copy at once.
template <class Machine, class T, class Barrier>
BLINK_DEVICE_CODE inline void fetch(const Machine& machine, T* to, const T* from, std::uint32_t size,
                                    Barrier& barrier) {
    const std::uint32_t whole = in_bulk<T>(size);
    if (whole > 0) { machine.bulk_load(to, from, static_cast<std::uint32_t>(whole * sizeof(T)), barrier); }
    BLINK_NO_UNROLL
    for (std::uint32_t i = whole; i < size; ++i) { to[i] = from[i]; }
}

/// The thread that loads: pieces of `own`, behind a flag of `giver` where there is one, and of the children's slots.
/// Returns when all that it started has arrived.
/// @param own element 0 of the part
template <class Context, class Flow, class T>
BLINK_DEVICE_CODE inline void load_flow(const Context& at, const Flow& flow, std::uint32_t* stop, const T* own,
                                        int giver, const rank_list& children) {
    CLK_DECL;
    block_flags& mine = at.flags_of(at.rank);
    const auto all = static_cast<std::uint32_t>(children.count);
    ring_cursor to = ring_cursor::of(0, flow.stages);
    std::uint32_t issued = 0;
    bool ok = true;
    at.machine.proxy_fence();
    for (std::uint32_t c = 0; ok && c < at.chunks; ++c) {
        if (giver != no_rank) {
            ok = at.wait(&mine.result_arrived[giver], c + 1, awaited::result, giver, c);
            at.machine.proxy_fence(); // what was stored by others is read in bulk
        }
        const std::uint32_t n = at.chunk_size(c);
        for (std::uint32_t first = 0; ok && first < n; first += flow.piece, to.advance(1)) {
            CLK(t0);
            ok = wait_phase(at.machine, flow.at->empty[to.index], to.parity ^ 1U, stop);
            CLK_ADD(0, t0);
            if (!ok) { break; }
            CLK(t1);
            auto& full = flow.at->full[to.index];
            const std::uint32_t size = n - first < flow.piece ? n - first : flow.piece;
            const auto bytes = static_cast<std::uint32_t>(in_bulk<T>(size) * sizeof(T));
            T* const stage = flow.stage(to.index);
            at.machine.expect(full, bytes);
            fetch(at.machine, stage, own + at.chunk_offset(c) + first, size, full);
            CLK_ADD(1, t1);
            CLK(t2);
            if (first == 0 && all > 0) {
                for (int i = 0; ok && i < children.count; ++i) {
                    const int child = children[i];
                    ok = at.wait(&mine.partial_arrived[child], c + 1, awaited::partial, child, c);
                }
                at.machine.proxy_fence();
            }
            CLK_ADD(2, t2);
            CLK(t3);
            if (ok && all > 0) {
                at.machine.expect(full, bytes * all);
                for (std::uint32_t i = 0; i < all; ++i) {
                    fetch(at.machine, stage + (i + 1) * flow.piece, at.slot(at.rank, static_cast<int>(i), c) + first,
                          size, full);
                }
            }
            if (!ok) { at.machine.stop(stop); } // before anyone takes the stage for complete
            at.machine.arrive(full);
            CLK_ADD(3, t3);
            CLK_COUNT(7);
            ++issued;
        }
    }
    CLK_FLUSH(0, 8);
    if (!ok) { at.machine.stop(stop); }
    // Nothing may arrive in the memory of a block that has ended.
    for (std::uint32_t i = issued < flow.stages ? 0 : issued - flow.stages; i < issued; ++i) {
        const ring_cursor last = ring_cursor::of(i, flow.stages);
        while (!at.machine.passed(flow.at->full[last.index], last.parity)) {}
    }
}

/// Where a flow's results go.
struct bulk_targets {
    int parent = no_rank; ///< into its slots, as its child number `place`; else
    int place = 0;
    int own = 0;        ///< 1: into this rank's output, and
    rank_list readers;  ///< into theirs
    rank_list children; ///< of whom slots were read, for which there is room again
};

/// Waits until chunk `c` may be stored to all targets; a reader lets all chunks in at once.
template <class Context>
[[nodiscard]] BLINK_DEVICE_CODE inline bool wait_for_targets(const Context& at, const bulk_targets& to,
                                                             std::uint32_t c) {
    block_flags& mine = at.flags_of(at.rank);
    if (to.parent != no_rank) {
        return at.wait(&mine.room_granted[to.parent], at.emptied_before(c), awaited::room, to.parent, c);
    }
    bool ok = true;
    for (int i = 0; ok && c < bulk_storers && i < to.readers.count; ++i) {
        ok = at.wait(&mine.output_ready[to.readers[i]], 0, awaited::readiness, to.readers[i], c);
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

/// Starts the stores of a piece to all targets, as one group; what fills no bulk copy is there at once.
template <class Context, class T>
BLINK_DEVICE_CODE inline void store_piece(const Context& at, const bulk_targets& to, const T* from, std::uint32_t c,
                                          std::uint32_t first, std::uint32_t size) {
    const std::uint32_t whole = in_bulk<T>(size);
    const int targets = to.parent != no_rank ? 1 : to.own + to.readers.count;
    for (int t = 0; t < targets; ++t) {
        T* const target = target_of(at, to, c, t) + first;
        if (whole > 0) { at.machine.bulk_store(target, from, static_cast<std::uint32_t>(whole * sizeof(T))); }
        BLINK_NO_UNROLL
        for (std::uint32_t i = whole; i < size; ++i) { target[i] = from[i]; }
    }
    at.machine.commit();
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
    const std::uint32_t pieces = (at.call->chunk_elements - 1) / flow.piece + 1; // of a full chunk
    CLK_DECL;
    const std::uint32_t issuer = storer % bulk_issuers;
    bool ok = true;
    for (std::uint32_t c = storer / bulk_issuers; ok && c < at.chunks; c += bulk_storers) {
        CLK(t0);
        ok = wait_for_targets(at, to, c);
        CLK_ADD(8, t0);
        if (!ok) { at.machine.stop(stop); }
        // A barrier tells of one phase back, no more: so a chunk is begun when all before it have been started.
        CLK(t1);
        ok = ok && wait_before(at.machine, flow.at->started, c, stop);
        CLK_ADD(9, t1);
        ring_cursor from = ring_cursor::of(c * pieces + issuer, flow.results);
        ring_cursor read = from;
        std::uint32_t pending = 0; // pieces that stores may still read
        const std::uint32_t n = at.chunk_size(c);
        for (std::uint32_t first = issuer * flow.piece; ok && first < n; first += bulk_issuers * flow.piece) {
            CLK(t2);
            ok = wait_phase(at.machine, flow.storable(from.index), from.parity, stop);
            CLK_ADD(10, t2);
            if (!ok) { break; }
            CLK(t3);
            store_piece(at, to, flow.result(from.index), c, first, n - first < flow.piece ? n - first : flow.piece);
            CLK_ADD(11, t3);
            from.advance(bulk_issuers);
            if (++pending > most_pending_stores) {
                CLK(t4);
                at.machine.template wait_read<most_pending_stores>();
                CLK_ADD(12, t4);
                at.machine.arrive(flow.reusable(read.index));
                read.advance(bulk_issuers);
                --pending;
            }
            CLK_COUNT(15);
        }
        if (ok) { at.machine.arrive(flow.at->started[c % bulk_storers]); }
        at.machine.template wait_read<0>();
        for (; ok && pending > 0; --pending, read.advance(bulk_issuers)) {
            at.machine.arrive(flow.reusable(read.index));
        }
        CLK(t5);
        at.machine.wait_stored();
        CLK_ADD(13, t5);
        if (!ok) { break; }
        at.machine.arrive(flow.at->stored[c % bulk_storers]);
        if (issuer > 0) { continue; }
        ok = wait_phase(at.machine, flow.at->stored[c % bulk_storers], c / bulk_storers & 1U, stop) &&
             wait_before(at.machine, flow.at->told, c, stop);
        if (ok) {
            CLK(t6);
            announce(at, to, c);
            CLK_ADD(14, t6);
            at.machine.arrive(flow.at->told[c % bulk_storers]);
        }
    }
    CLK_FLUSH(8, 16);
}

/// Some threads that combine; see `combine_chunk`.
struct bulk_group {
    int thread;
    int threads;
};

/// The threads that combine every stage whose turn it is among `bulk_groups` into a result.
/// @param turn of this group
template <class Context, class Flow, class T, class Op>
BLINK_DEVICE_CODE inline void combine_flow(const Context& at, const Flow& flow, std::uint32_t* stop, std::uint32_t turn,
                                           const bulk_group& group, const T* const* sources, const Op& op,
                                           int finish_ranks) {
    CLK_DECL;
    const bool leads = at.machine.thread() % at.machine.team_threads == 0;
    const std::uint32_t pieces = (at.call->chunk_elements - 1) / flow.piece + 1; // of a full chunk
    ring_cursor from = ring_cursor::of(turn, flow.stages);
    ring_cursor to = ring_cursor::of(turn, flow.results);
    std::uint32_t in_chunk = turn;
    for (std::uint32_t c = 0; c < at.chunks; in_chunk -= pieces, ++c) {
        const std::uint32_t n = at.chunk_size(c);
        for (; in_chunk * flow.piece < n; in_chunk += bulk_groups) {
            const std::uint32_t first = in_chunk * flow.piece;
            CLK(t0);
            bool ok = wait_phase(at.machine, flow.at->full[from.index], from.parity, stop);
            CLK_ADD(16, t0);
            CLK(t1);
            ok = ok && wait_phase(at.machine, flow.at->vacant[to.index], to.parity ^ 1U, stop);
            CLK_ADD(17, t1);
            if (!at.machine.team_all(ok)) { return; }
            CLK(t2);
            chunk_io<T> io{};
            io.own = flow.stage(from.index);
            io.contributor = at.rank;
            io.sources = sources;
            io.source_offset = std::size_t{from.index} * flow.sources * flow.piece;
            io.children = static_cast<int>(flow.sources) - 1;
            io.slot = flow.result(to.index);
            io.targets = 1;
            combine_chunk(group, n - first < flow.piece ? n - first : flow.piece, io, true, op, finish_ranks);
            CLK_ADD(18, t2);
            CLK(t3);
            at.machine.shared_proxy_fence(); // what was stored here is read in bulk
            at.machine.team_sync();
            CLK_ADD(19, t3);
            if (leads) {
                at.machine.arrive(flow.at->empty[from.index]);
                at.machine.arrive(flow.at->done[to.index]);
            }
            from.advance(bulk_groups);
            to.advance(bulk_groups);
            CLK_COUNT(23);
        }
    }
    CLK_FLUSH(16, 24);
}

/// Someone who is only given results waits for all of them.
template <class Context>
BLINK_DEVICE_CODE inline void await_results(const Context& at, std::uint32_t* stop, int giver) {
    for (std::uint32_t c = 0; c < at.chunks; ++c) {
        if (!at.wait(&at.flags_of(at.rank).result_arrived[giver], c + 1, awaited::result, giver, c)) {
            return at.machine.stop(stop);
        }
    }
}

template <class Machine, class Barrier>
BLINK_DEVICE_CODE inline void make_barriers(const Machine& machine, bulk_barriers<Barrier>& b, std::uint32_t stages,
                                            std::uint32_t results, std::uint32_t combiners) {
    for (std::uint32_t i = 0; i < stages; ++i) {
        machine.make_barrier(b.full[i], 1);
        machine.make_barrier(b.empty[i], results > 0 ? combiners : 1);
    }
    for (std::uint32_t i = 0; i < results; ++i) {
        machine.make_barrier(b.done[i], combiners);
        machine.make_barrier(b.vacant[i], 1);
    }
    for (int i = 0; i < bulk_storers; ++i) {
        machine.make_barrier(b.started[i], bulk_issuers);
        machine.make_barrier(b.stored[i], bulk_issuers);
        machine.make_barrier(b.told[i], 1);
    }
}

/// The program of every thread of a block: of `bulk_other_teams` teams, and a multiple of `bulk_groups` that combine.
/// @param memory of the rings, on 16 bytes
template <class Machine, class T, class Op, device_schedule Schedule, class Barrier>
BLINK_DEVICE_CODE inline void bulk_block(const Machine& machine, const tree_call<T>& call, const Schedule& schedule,
                                         const Op& op, const bulk_sizes& sizes, bulk_shared<T, Barrier>& shared,
                                         std::byte* memory) {
    static_assert(travels_in_bulk<T>);
    const auto at = locate(machine, call);
    const int up_parent = call.up ? schedule.reduce_parent(at.lane, at.rank) : no_rank;
    const int down_parent = call.down ? schedule.broadcast_parent(at.lane, at.rank) : no_rank;
    const bool is_root = down_parent == no_rank && up_parent == no_rank;
    const bool sends_up = call.up || is_root;
    const rank_list readers = call.down ? broadcast_children(schedule, at.lane, at.rank, call.ranks) : rank_list{};
    const rank_list children = call.up ? reduce_children(schedule, at.lane, at.rank, call.ranks) : rank_list{};
    const bool finishes = call.up && up_parent == no_rank;
    const bool combines = call.up && (children.count > 0 || finishes || preparing_operator<Op, T>);
    const bool passes_on = down_parent != no_rank && readers.count > 0;
    const std::uint32_t sources = sends_up ? static_cast<std::uint32_t>(children.count) + 1U : 0U;
    const bulk_layout layout = bulk_layout::of(sizes, sources, combines, passes_on);

    const auto piece = static_cast<std::uint32_t>(layout.piece / sizeof(T));
    T* const rings = reinterpret_cast<T*>(memory);
    bulk_flow<T, Barrier> up{&shared.up, rings, rings, piece, sources, layout.up_stages, layout.up_stages, false};
    if (combines) {
        up.stored = up.stage(up.stages);
        up.results = layout.up_results;
        up.combines = true;
    }
    T* const below = up.stored + std::size_t{up.results} * piece;
    const bulk_flow<T, Barrier> down{&shared.down,       below, below, piece, 1, layout.down_stages,
                                     layout.down_stages, false};

    const int team = machine.thread() / machine.team_threads;
    const int combiners = (machine.threads() / machine.team_threads - bulk_other_teams) / bulk_groups; // of a group
    if (machine.thread() == 0) {
        shared.stop = 0;
        make_barriers(machine, shared.up, up.stages, layout.up_results, static_cast<std::uint32_t>(combiners));
        make_barriers(machine, shared.down, down.stages, 0, 0);
        machine.barriers_made();
    }
    if (machine.thread() < children.count) {
        shared.sources[machine.thread()] = rings + (static_cast<std::uint32_t>(machine.thread()) + 1U) * piece;
    }
    machine.sync();

    std::uint32_t* const stop = &shared.stop;
    if (team >= bulk_other_teams) {
        if constexpr (!std::is_same_v<Op, first_of_two>) {
            const int each = combiners * machine.team_threads;
            const int thread = machine.thread() - bulk_other_teams * machine.team_threads;
            if (combines) {
                combine_flow(at, up, stop, static_cast<std::uint32_t>(thread / each), {thread % each, each},
                             shared.sources, op, finishes ? static_cast<int>(call.ranks) : 0);
            }
        }
    } else if (machine.thread() % machine.team_threads == 0) {
        const bool loads = team % bulk_roles == 0;
        const auto storer = static_cast<std::uint32_t>(team % bulk_roles - 1);
        if (team < bulk_roles && sends_up) {
            const T* const in = call.in[at.rank] + at.in_begin;
            T* const kept = is_root ? call.out[at.rank] + at.out_begin : nullptr;
            if (loads) {
                // This rank is in the call and its slots are empty; see `tree_block` for this and `output_ready`.
                at.machine.fence();
                for (int i = 0; i < children.count; ++i) {
                    at.machine.store(&at.flags_of(children[i]).room_granted[at.rank], flag_value(at.number, 0));
                }
                load_flow(at, up, stop, in, no_rank, children);
            } else {
                bulk_targets to{up_parent, 0, kept != nullptr && (call.up || kept != in) ? 1 : 0, {}, children};
                if (up_parent != no_rank) {
                    to.place = reduce_children(schedule, at.lane, up_parent, call.ranks).find(at.rank);
                } else if (is_root) {
                    to.readers = readers;
                }
                store_flow(at, up, stop, to, storer);
            }
        } else if (team >= bulk_roles && down_parent != no_rank) {
            if (loads) {
                at.machine.fence();
                at.machine.store(&at.flags_of(down_parent).output_ready[at.rank], flag_value(at.number, 0));
                if (passes_on) {
                    load_flow(at, down, stop, call.out[at.rank] + at.out_begin, down_parent, rank_list{});
                } else {
                    await_results(at, stop, down_parent);
                }
            } else if (passes_on) {
                store_flow(at, down, stop, {no_rank, 0, 0, readers, {}}, storer);
            }
        }
    }
    machine.sync();
    if (machine.thread() == 0) { at.flags_of(at.rank).call = at.number; }
}

} // namespace blink::cuda
