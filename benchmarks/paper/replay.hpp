// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// An iteration of data-parallel training in modelled time: gradients in buckets whose AllReduce overlaps the backward
/// pass, as PyTorch's DistributedDataParallel does it (Li et al., PyTorch distributed, VLDB 2020).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "networks.hpp"

namespace blink_paper {

/// Gradients that are reduced together.
struct bucket {
    std::size_t bytes = 0;
    double ready_s = 0; ///< after the start of the iteration
};

struct bucket_limits {
    std::size_t first_bytes = std::size_t{1} << 20;
    std::size_t bytes = std::size_t{25} << 20;
};

/// Buckets of single-precision gradients in the order of the backward pass. A bucket is closed by the tensor with which
/// it reaches its limit, so a large tensor makes a bucket above it.
/// @param compute_s both passes; the work of a layer is spread by its FLOPs, the backward pass counts twice the forward
[[nodiscard]] inline std::vector<bucket> make_buckets(const network& n, double compute_s,
                                                      const bucket_limits& limits = {}) {
    const double forward_s = compute_s / 3;
    const double backward_s = compute_s - forward_s;
    const double all = forward_flops(n);
    double done = 0;
    std::vector<bucket> buckets;
    bucket open;
    for (auto l = n.layers.rbegin(); l != n.layers.rend(); ++l) {
        done += l->flops;
        for (auto t = l->tensors.rbegin(); t != l->tensors.rend(); ++t) {
            open.bytes += *t * sizeof(float);
            open.ready_s = forward_s + backward_s * (done / all);
            if (open.bytes >= (buckets.empty() ? limits.first_bytes : limits.bytes)) {
                buckets.push_back(open);
                open = {};
            }
        }
    }
    if (open.bytes > 0) { buckets.push_back(open); }
    return buckets;
}

struct iteration_times {
    double compute_s = 0;
    double communication_s = 0; ///< sum over the buckets, whether hidden or not
    double iteration_s = 0;
};

/// One stream of communication: a bucket starts when it is ready and the one before has ended.
/// @param allreduce_s seconds of an AllReduce of so many bytes
template <class Allreduce>
[[nodiscard]] iteration_times replay(const std::vector<bucket>& buckets, double compute_s, Allreduce allreduce_s) {
    iteration_times t{compute_s, 0, compute_s};
    double free_s = 0;
    for (const bucket& b : buckets) {
        const double seconds = allreduce_s(b.bytes);
        t.communication_s += seconds;
        free_s = std::max(free_s, b.ready_s) + seconds;
    }
    t.iteration_s = std::max(compute_s, free_s);
    return t;
}

} // namespace blink_paper
