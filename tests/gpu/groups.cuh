// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The groups that GPU tests run on: all real GPUs where there are two or more, eight virtual ranks of a DGX-1V.
#pragma once

#include <blink/communicator/cuda_group.cuh>
#include <blink/topology/machines.hpp>

#include <memory>

namespace gpu_test {

[[nodiscard]] inline blink::cuda_group& virtual_dgx1v() {
    static blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .virtual_ranks = 8});
    return group;
}

[[nodiscard]] inline blink::cuda_group& real_gpus() {
    static blink::cuda_group group;
    return group;
}

[[nodiscard]] inline bool one_gpu() { return blink::cuda::visible_gpus() >= 1; }
[[nodiscard]] inline bool two_gpus() { return blink::cuda::visible_gpus() >= 2; }

} // namespace gpu_test
