// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which parts of a reduction's result each rank forms, for `copy_plan_impl.hpp`.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace blink::cuda::detail {

/// A part of the data of which one rank forms the result.
struct owned_part {
    int owner = 0;
    std::size_t in_offset = 0;
    std::size_t out_offset = 0;
    std::size_t count = 0;
    std::vector<int> combined{};  ///< step of each piece
    std::vector<int> handed_on{}; ///< of a staged result: the step that moves each piece where it belongs
};

/// How a part is cut that crosses the link between two ranks.
struct link_cut {
    std::size_t piece = 1;
    std::size_t pieces = 0;
    bool in_result = false; ///< pieces wait in the owner's output, else in slots
};

/// What the ranks of a reduction get.
[[nodiscard]] inline std::vector<owned_part> results_of(collective kind, int ranks, int root, std::size_t count) {
    std::vector<owned_part> results;
    for (int r = 0; r < ranks; ++r) {
        const std::size_t shard = is_sharded(kind) ? static_cast<std::size_t>(r) * count : 0;
        if (writes_output(kind, root, r)) { results.push_back({r, shard, 0, count}); }
    }
    return results;
}

/// What each rank owns of the result: a shard, everything, or an equal part at granules.
[[nodiscard]] inline std::vector<owned_part> owned_parts(collective kind, int ranks, int root, std::size_t count,
                                                         std::size_t granule) {
    if (kind == collective::reduce) { return {{root, 0, 0, count}}; }
    std::vector<owned_part> parts;
    const auto n = static_cast<std::size_t>(ranks);
    const std::size_t granules = (count + granule - 1) / granule;
    for (std::size_t r = 0; r < n; ++r) {
        if (kind == collective::reduce_scatter) {
            parts.push_back({static_cast<int>(r), r * count, 0, count});
        } else {
            const std::size_t begin = std::min(granules * r / n * granule, count);
            const std::size_t end = std::min(granules * (r + 1) / n * granule, count);
            parts.push_back({static_cast<int>(r), begin, begin, end - begin});
        }
    }
    return parts;
}

} // namespace blink::cuda::detail
