// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One rank's call of a collective, as the program made it, and the calls of all ranks that belong together.
#pragma once

#include <blink/core/collective.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nccl/abi.hpp"

namespace blink::preload {

/// What `ncclRedOpCreatePreMulSum` was given.
struct premul_factor {
    nccl::data_type type{};
    const void* on_device = nullptr;      ///< where the factor is read when the collective runs; null: `value`
    std::array<unsigned char, 8> value{}; ///< the bytes of a `type`
};

/// What one rank asked for. `root` is 0 and `op` is sum where the collective has none.
struct collective_call {
    collective kind{};
    const void* in = nullptr;
    void* out = nullptr;
    std::size_t count = 0; ///< elements that a rank gives or gets of its own, as NCCL counts them
    nccl::data_type type{};
    nccl::operation op = nccl::sum;
    int root = 0;
    nccl::communicator* comm = nullptr;
    nccl::stream* stream = nullptr;
    std::optional<premul_factor> factor{}; ///< of an operator that the program has made
};

/// The same collective on all ranks: one entry a rank where a vector stands.
struct matched_call {
    collective kind{};
    std::size_t count = 0;
    nccl::data_type type{};
    nccl::operation op = nccl::sum;
    int root = 0;
    std::vector<const void*> in;
    std::vector<void*> out;
    std::vector<nccl::stream*> streams;
    std::vector<premul_factor> factors{}; ///< of an operator that the program has made; else none
};

/// Bytes of an element.
[[nodiscard]] constexpr std::size_t size_of(nccl::data_type type) noexcept {
    switch (type) {
    case nccl::int8:
    case nccl::uint8:
    case nccl::float8e4m3:
    case nccl::float8e5m2:
        return 1;
    case nccl::float16:
    case nccl::bfloat16:
        return 2;
    case nccl::int32:
    case nccl::uint32:
    case nccl::float32:
        return 4;
    default:
        return 8;
    }
}

[[nodiscard]] inline std::string name_of(nccl::data_type type) {
    constexpr std::string_view names[] = {"int8",    "uint8",   "int32",   "uint32",   "int64",      "uint64",
                                          "float16", "float32", "float64", "bfloat16", "float8e4m3", "float8e5m2"};
    return type >= 0 && type < nccl::type_count ? std::string(names[type]) : "type " + std::to_string(type);
}

[[nodiscard]] inline std::string name_of(nccl::operation op) {
    constexpr std::string_view names[] = {"sum", "prod", "max", "min", "avg"};
    return op >= 0 && op < nccl::operation_count ? std::string(names[op]) : "operator " + std::to_string(op);
}

/// Why Blink leaves such calls to NCCL whatever their buffers are; empty where it takes them.
[[nodiscard]] inline std::string not_carried(const collective_call& c) {
    if (c.type < 0 || c.type >= nccl::type_count) { return "unknown type " + std::to_string(c.type); }
    if (!reduces(c.kind)) { return {}; }
    if (c.factor) {
        return c.factor->type == c.type ? "" : "an operator of " + name_of(c.factor->type) + " on " + name_of(c.type);
    }
    if (c.op < 0 || c.op >= nccl::operation_count) { return "unknown " + name_of(c.op); }
    return {};
}

} // namespace blink::preload
