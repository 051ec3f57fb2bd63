// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>

#include "reductions.cuh"

namespace blink::preload {

namespace {

template <class Group>
void reduce(Group& group, const matched_call& call) {
    switch (call.type) {
    case nccl::int8:
        return reduce_as<std::uint8_t>(group, call, finishing::signed_average, 0x80);
    case nccl::uint8:
        return reduce_as<std::uint8_t>(group, call, finishing::average);
    case nccl::int32:
        return reduce_as<std::uint32_t>(group, call, finishing::signed_average, 1U << 31);
    case nccl::uint32:
        return reduce_as<std::uint32_t>(group, call, finishing::average);
    case nccl::int64:
        return reduce_as<std::uint64_t>(group, call, finishing::signed_average, std::uint64_t{1} << 63);
    case nccl::uint64:
        return reduce_as<std::uint64_t>(group, call, finishing::average);
    default:
        throw usage_error("no arithmetic for " + name_of(call.type));
    }
}

} // namespace

void reduce_integers(cuda_group& group, const matched_call& call) { reduce(group, call); }
void reduce_integers(blink::communicator& own, const matched_call& call) { reduce(own, call); }

} // namespace blink::preload
