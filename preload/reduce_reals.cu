// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "reductions.cuh"

namespace blink::preload {

namespace {

template <class Group>
void reduce(Group& group, const matched_call& call) {
    switch (call.type) {
    case nccl::float32:
        return reduce_as<float>(group, call, finishing::average);
    case nccl::float64:
        return reduce_as<double>(group, call, finishing::average);
    default:
        throw usage_error("no arithmetic for " + name_of(call.type));
    }
}

} // namespace

void reduce_reals(cuda_group& group, const matched_call& call) { reduce(group, call); }
void reduce_reals(blink::communicator& own, const matched_call& call) { reduce(own, call); }

} // namespace blink::preload
