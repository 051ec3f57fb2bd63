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

inline constexpr int bulk_storers = 3; ///< threads that store, of a flow: each a chunk, in turn
#ifndef PEND
#define PEND 1
#endif
inline constexpr int most_pending_stores = PEND;    ///< pieces of a storing thread that it need not have read yet
inline constexpr int bulk_roles = 1 + bulk_storers; ///< teams of a flow that move data: the first one loads
inline constexpr int bulk_other_teams = 2 * bulk_roles;
inline constexpr int most_bulk_pieces = 64; ///< in a ring

/// How a block uses its shared memory.
struct bulk_sizes {
    std::uint32_t memory = 216u << 10; ///< bytes of all rings
    std::uint32_t piece = 16u << 10;   ///< bytes of a piece, at most; a multiple of 16, as `memory`
};

/// What the threads of a block meet at.
/// @tparam Barrier of the machine: completes a phase when all have arrived and all expected bytes have
template <class Barrier>
struct bulk_barriers {
    Barrier full[most_bulk_pieces];   ///< of a stage: its pieces are there
    Barrier empty[most_bulk_pieces];  ///< and have been read
    Barrier done[most_bulk_pieces];   ///< of a result: it is complete
    Barrier vacant[most_bulk_pieces]; ///< and its stores have read it
    Barrier started[bulk_storers];    ///< of a storing thread: the stores of its chunk are on their way
    Barrier told[bulk_storers];       ///< and the chunk is announced
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
    BLINK_DEVICE_CODE void advance() {
        if (++index == count) {
            index = 0;
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

    [[nodiscard]] BLINK_HOST_DEVICE static constexpr std::uint32_t ring(std::uint32_t pieces) {
        constexpr std::uint32_t most = most_bulk_pieces;
        return pieces < most ? pieces : most;
    }

    /// Gives each flow its part, and takes smaller pieces until three stages of all sources fit.
    [[nodiscard]] BLINK_HOST_DEVICE static constexpr bulk_layout of(const bulk_sizes& sizes, std::uint32_t sources,
                                                                    bool combines, bool down) {
        constexpr std::uint32_t least_results = most_pending_stores + 2;
        constexpr std::uint32_t least_stages = 3;
        bulk_layout l;
        for (l.piece = sizes.piece;; l.piece = l.piece / 32 * 16) {
            const std::uint32_t pieces = sizes.memory / l.piece;
            l.down_stages = ring(!down ? 0 : sources == 0 ? pieces : pieces / 3);
            if (sources == 0) { return l; }
            const std::uint32_t up = pieces - l.down_stages;
            if (!combines) {
                l.up_stages = ring(up);
                return l;
            }
            const std::uint32_t results = up / 4 < least_results ? least_results : up / 4;
            l.up_stages = up < results ? 0 : ring((up - results) / sources);
            if (l.up_stages >= least_stages || l.piece <= 16) {
                l.up_results = ring(up - l.up_stages * sources);
                return l;
            }
        }
    }
};

} // namespace blink::cuda
