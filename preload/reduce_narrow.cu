// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "reductions.cuh"

namespace blink::preload {

namespace {

template <class Group>
void reduce(Group& group, const matched_call& call) {
    switch (call.type) {
    case nccl::float16:
        return reduce_as<__half>(group, call, finishing::average);
    case nccl::bfloat16:
        return reduce_as<__nv_bfloat16>(group, call, finishing::average);
    case nccl::float8e4m3:
        return reduce_as<__nv_fp8_e4m3>(group, call, finishing::average);
    case nccl::float8e5m2:
        return reduce_as<__nv_fp8_e5m2>(group, call, finishing::average);
    default:
        throw usage_error("no arithmetic for " + name_of(call.type));
    }
}

} // namespace

void reduce_narrow(cuda_group& group, const matched_call& call) { reduce(group, call); }
void reduce_narrow(blink::communicator& own, const matched_call& call) { reduce(own, call); }

} // namespace blink::preload
