// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Who sends which chunk to whom: the plan in the form that every executor runs.
///
/// A lane is a tree with its share of the data. In a lane every rank has a role. Up phase: combine the partial
/// results of `reduce_from` with the own contribution, in that order, and hand the result to `reduce_to` (the root
/// keeps it). Down phase: take the result from `broadcast_from` (the root has it) and hand it to `broadcast_to`.
/// Chunks of a lane pass in ascending order, and both phases run at once, so a lane is a pipeline of chunks.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink {

/// Marks the absence of a rank.
inline constexpr int no_rank = -1;

/// What one rank does in one lane.
struct role {
    std::vector<int> reduce_from;  ///< children, in the order in which their partial results are combined
    int reduce_to = no_rank;       ///< parent that gets the partial result
    int broadcast_from = no_rank;  ///< parent that sends the result
    std::vector<int> broadcast_to; ///< children that get the result
    int reduce_arc = -1;           ///< hop of the fabric towards `reduce_to`, for timing models
    int broadcast_arc = -1;        ///< hop of the fabric from `broadcast_from`

    friend bool operator==(const role&, const role&) = default;
};

/// A tree with its share of the data.
struct lane {
    int root = 0;
    double share = 0;        ///< of the data; the shares of a schedule add up to 1
    std::vector<role> roles; ///< by rank

    friend bool operator==(const lane&, const lane&) = default;
};

struct schedule {
    collective kind = collective::allreduce;
    int ranks = 0;
    int root = 0; ///< of a rooted collective
    std::vector<lane> lanes;

    friend bool operator==(const schedule&, const schedule&) = default;
};

/// Elements [begin, end) of the data.
struct element_range {
    std::size_t begin = 0;
    std::size_t end = 0;

    [[nodiscard]] constexpr std::size_t size() const noexcept { return end - begin; }
    friend constexpr bool operator==(const element_range&, const element_range&) = default;
};

/// Cuts `count` elements among the lanes by their shares, at multiples of `grain` elements (the last lane takes the
/// rest), so that every executor and every rank cuts alike. In a sharded collective `count` is that of a shard, and
/// the lanes of each root cut its shard.
[[nodiscard]] BLINK_INLINE std::vector<element_range> split(const schedule& s, std::size_t count,
                                                            std::size_t grain = 1);

/// How far the elements of a lane are moved in the buffers: element i of its range lies at in[r][i + in] and
/// out[r][i + out]. A shard of `count` elements begins at its owner's number times `count` in the larger buffer.
struct lane_offset {
    std::size_t in = 0;
    std::size_t out = 0;
};

[[nodiscard]] inline lane_offset offset_of(const schedule& s, const lane& l, std::size_t count) {
    const std::size_t shard = is_sharded(s.kind) ? static_cast<std::size_t>(l.root) * count : 0;
    return {s.kind == collective::reduce_scatter ? shard : 0, s.kind == collective::allgather ? shard : 0};
}

/// A lane a tree, shares by rate.
/// @throw plan_error for a packing without trees where there is more than one rank
[[nodiscard]] BLINK_INLINE schedule make_schedule(const packing& p);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/schedule/schedule_impl.hpp>
#endif
