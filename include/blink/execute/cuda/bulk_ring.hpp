// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The rings in a block's shared memory through which bulk copies carry pieces of chunks, and who waits for whom there.
///
/// A *stage* holds one piece of every source: of the rank's own elements and of each child's. Where sources are
/// combined the result has a ring of its own, so that a stage is free for the next loads as soon as it has been read,
/// however long the stores take; else what was loaded is stored from where it lies.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/device_schedule.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

// Measured between two H200: with more of anything an AllReduce over few blocks is not faster.
inline constexpr int bulk_storers = 2;         ///< chunks of a flow whose stores are under way, or being announced
inline constexpr int bulk_issuers = 2;         ///< threads that store a chunk, a piece each in turn
inline constexpr int bulk_groups = 4;          ///< of teams that combine, a piece each in turn
inline constexpr int bulk_combining_teams = 8; ///< in all, of a kernel
inline constexpr int most_pending_stores = 1;  ///< pieces of a storing thread that need not be read yet
/// Teams of a flow that move data, a thread of each: up one loads own elements and one the children's, down one loads.
inline constexpr int bulk_up_teams = 2 + bulk_storers * bulk_issuers;
inline constexpr int bulk_down_teams = 1 + bulk_storers * bulk_issuers;
inline constexpr int bulk_other_teams = bulk_up_teams + bulk_down_teams;
inline constexpr int most_bulk_pieces = 64; ///< in a ring

/// How a block uses its shared memory.
struct bulk_sizes {
    std::uint32_t memory = 216u << 10; ///< bytes of all rings
    std::uint32_t piece = 8u << 10;    ///< bytes of a piece, at most; a multiple of 16, as `memory`
};

/// What the threads of a block meet at.
/// @tparam Barrier of the machine: completes a phase when all have arrived and all expected bytes have
template <class Barrier>
struct bulk_barriers {
    Barrier full[most_bulk_pieces];   ///< of a stage: its own piece is there
    Barrier joined[most_bulk_pieces]; ///< and those of the children
    Barrier empty[most_bulk_pieces];  ///< and have been read
    Barrier done[most_bulk_pieces];   ///< of a result: it is complete
    Barrier vacant[most_bulk_pieces]; ///< and its stores have read it
    Barrier started[bulk_storers];    ///< of a chunk: its stores are on their way
    Barrier stored[bulk_storers];     ///< and complete
    Barrier told[bulk_storers];       ///< and announced
};

/// What the threads of a block share beside the rings.
template <class T, class Barrier>
struct bulk_shared {
    bulk_barriers<Barrier> up, down;
    std::uint32_t stop; ///< not 0: a thread gave up, and everyone leaves
    const T* sources[max_ranks];
};

/// Data that go one way through a block.
template <class T, class Barrier>
struct bulk_flow {
    bulk_barriers<Barrier>* at;
    T* loaded;           ///< stages
    T* stored;           ///< results; where nothing is combined, the stages
    std::uint32_t piece; ///< elements
    std::uint32_t sources;
    std::uint32_t stages;
    std::uint32_t results;
    bool combines;

    [[nodiscard]] BLINK_DEVICE_CODE T* stage(std::uint32_t i) const {
        return loaded + std::size_t{i} * sources * piece;
    }
    [[nodiscard]] BLINK_DEVICE_CODE T* result(std::uint32_t i) const { return stored + std::size_t{i} * piece; }
    [[nodiscard]] BLINK_DEVICE_CODE Barrier& storable(std::uint32_t i) const {
        return combines ? at->done[i] : at->full[i];
    }
    [[nodiscard]] BLINK_DEVICE_CODE Barrier& reusable(std::uint32_t i) const {
        return combines ? at->vacant[i] : at->empty[i];
    }
};

/// A place in a ring of `count`, and the parity of the phase that its barriers are in.
struct ring_cursor {
    std::uint32_t index;
    std::uint32_t parity;
    std::uint32_t count;

    /// The place of item `i` of all.
    [[nodiscard]] BLINK_DEVICE_CODE static ring_cursor of(std::uint32_t i, std::uint32_t count) {
        return {i % count, i / count & 1U, count};
    }
    /// @param step at most `count`
    BLINK_DEVICE_CODE void advance(std::uint32_t step) {
        index += step;
        if (index >= count) {
            index -= count;
            parity ^= 1U;
        }
    }
};

/// Pieces in the rings of a block's two flows; a flow that moves nothing has no sources.
struct bulk_layout {
    std::uint32_t piece = 0; ///< bytes
    std::uint32_t up_stages = 0;
    std::uint32_t up_results = 0; ///< 0 where nothing is combined
    std::uint32_t down_stages = 0;

    /// As many pieces as fit into `pieces`, in whole turns: a place in a ring belongs to one thread or group of those
    /// that take turns, since who waits for a barrier has to see each of its phases.
    [[nodiscard]] BLINK_HOST_DEVICE static constexpr std::uint32_t ring(std::uint32_t pieces) {
        constexpr std::uint32_t most = most_bulk_pieces;
        return (pieces < most ? pieces : most) / turns * turns;
    }

    /// Gives each flow its part, and takes smaller pieces until two turns of results and stages of all sources fit.
    [[nodiscard]] BLINK_HOST_DEVICE static constexpr bulk_layout of(const bulk_sizes& sizes, std::uint32_t sources,
                                                                    bool combines, bool down) {
        bulk_layout l;
        for (l.piece = sizes.piece;; l.piece = l.piece / 32 * 16) {
            const std::uint32_t pieces = sizes.memory / l.piece;
            l.down_stages = ring(!down ? 0 : sources == 0 ? pieces : pieces / 3);
            const std::uint32_t up = pieces - l.down_stages;
            if (sources > 0) {
                l.up_results = combines ? ring(up / (sources + 1) > turns ? up / (sources + 1) : turns) : 0;
                l.up_stages = up < l.up_results ? 0 : ring((up - l.up_results) / sources);
            }
            const bool fits = (sources == 0 || l.up_stages > 0) && (!down || l.down_stages > 0);
            if (fits || l.piece <= 16) { return l; }
        }
    }

  private:
    static constexpr std::uint32_t turns = bulk_groups > bulk_issuers ? bulk_groups : bulk_issuers;
    static_assert(turns % bulk_groups == 0 && turns % bulk_issuers == 0);
};

} // namespace blink::cuda
