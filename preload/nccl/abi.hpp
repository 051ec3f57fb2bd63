// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The types of NCCL's C interface, as far as they cross it by value: what a library needs that stands in for NCCL,
/// without NCCL's header. A test holds them against `nccl.h` where that is installed.
#pragma once

#include <cstddef>

namespace blink::preload::nccl {

/// What every call answers.
enum result : int {
    success = 0,
    unhandled_cuda_error = 1,
    system_error = 2,
    internal_error = 3,
    invalid_argument = 4,
    invalid_usage = 5,
    remote_error = 6,
    in_progress = 7,
    result_count = 8
};

enum data_type : int {
    int8 = 0,
    uint8 = 1,
    int32 = 2,
    uint32 = 3,
    int64 = 4,
    uint64 = 5,
    float16 = 6,
    float32 = 7,
    float64 = 8,
    bfloat16 = 9,
    float8e4m3 = 10,
    float8e5m2 = 11,
    type_count = 12
};

/// Numbers from `operation_count` on are operators that the program has created.
enum operation : int { sum = 0, prod = 1, max = 2, min = 3, avg = 4, operation_count = 5 };

enum scalar_residence : int { scalar_device = 0, scalar_host_immediate = 1 };

struct unique_id {
    char internal[128];
};

/// The beginning of a communicator's configuration, which all versions share. `size` is that of the whole.
struct config {
    std::size_t size;
    unsigned magic;
    unsigned version;
    int blocking; ///< 0: calls return before they are done; `undefined` where the program does not say
};
inline constexpr int undefined = -2147483647 - 1;

/// Of `ncclCommShrink`: what runs on the parent is aborted first.
inline constexpr int shrink_abort = 1;

struct team {
    int ranks;
    int rank;
    int stride;
};

// Known by their addresses alone.
struct communicator;
struct window;
struct simulation_info;
struct device_communicator;
struct device_requirements;
struct resource_requirements;
struct gin_barrier;
struct lsa_barrier;
struct low_latency_alltoall;
struct stream;

} // namespace blink::preload::nccl
