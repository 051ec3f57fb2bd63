// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What is measured of a machine, not planned: from which size on which protocol is the fastest, and the like.
#pragma once

#include <cstddef>

namespace blink {

/// Choices of the CUDA executor where the user leaves them open. All ranks must have the same. The built-in values were
/// measured between two H200s, those of copies in other calls than AllReduces between two H100s; `blink-perf --tune`
/// measures those of another machine.
struct tuning {
    /// Bytes of the larger buffer, times the ranks but one, and half of them in collectives without a root; beyond them
    /// calls go in chunks.
    std::size_t cells_up_to = 128u << 20;
    std::size_t all_pairs_up_to = 128u << 20; ///< likewise, of an AllReduce straight from each rank to each other
    std::size_t pull_up_to = 0; ///< bytes of the larger buffer; of longer reductions, those that parents pull
    std::size_t most_chunk_bytes = 64u << 10; ///< of a thread block's chunk, where nobody asks for another size
    int most_blocks = 128;                    ///< thread blocks of a rank
    std::size_t bulk_from = 16u << 20; ///< bytes of the larger buffer, from which GPUs that can move chunks by bulk
                                       ///< copies; 0: never
    int bulk_blocks = 64;              ///< thread blocks of a rank, up to which they do
    std::size_t most_bulk_chunk_bytes = 256u << 10; ///< of a chunk there, where nobody asks for another size
    std::size_t copies_from = 64u << 20; ///< bytes that cross between two ranks, in a direction, from which copy
                                         ///< engines move them; 0: never
    std::size_t copies_from_captured = 16u << 20;    ///< likewise, where the call is captured into a graph
    std::size_t copies_all_reduce_from = 128u << 20; ///< likewise, for an AllReduce
    std::size_t copies_reduce_from = 256u << 20;     ///< likewise, for another reduction
    std::size_t host_share_from = 128u << 20;        ///< likewise, from which copies send a share over the host
    int host_share = 114;     ///< per mille that copies send over the host of what crosses one way in a long call
    int host_share_both = 88; ///< likewise, where data go both ways at once
    std::size_t host_share_all_reduce_from = 256u << 20; ///< as `host_share_from`, for an AllReduce
    int host_share_all_reduce = 60;                      ///< as `host_share`, for an AllReduce
    int host_share_beside_kernels = 0; ///< likewise, for one between two processes, of which kernels carry the rest

    friend bool operator==(const tuning&, const tuning&) = default;
};

} // namespace blink
