// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One rank's call, as the program made it, and the calls of all ranks that belong together.
#pragma once

#include <blink/core/collective.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nccl/abi.hpp"

namespace blink::preload {

/// What Blink may do in the place of NCCL: the collectives over trees, by the numbers of `blink::collective`, and
/// exchanges. A send and a receive are both `send_recv`.
enum class call_kind : unsigned char {
    broadcast,
    reduce,
    allreduce,
    allgather,
    reduce_scatter,
    alltoall,
    gather,
    scatter,
    send_recv
};

inline constexpr std::array call_names{
    std::string_view{"broadcast"}, std::string_view{"reduce"},         std::string_view{"allreduce"},
    std::string_view{"allgather"}, std::string_view{"reduce_scatter"}, std::string_view{"alltoall"},
    std::string_view{"gather"},    std::string_view{"scatter"},        std::string_view{"send_recv"}};

[[nodiscard]] constexpr std::string_view to_string(call_kind k) noexcept {
    return call_names[static_cast<std::size_t>(k)];
}

/// True where data go over trees; else each element moves from one rank to one other.
[[nodiscard]] constexpr bool has_trees(call_kind k) noexcept { return k <= call_kind::reduce_scatter; }
/// The collective over trees; of exchanges AllReduce, whose trees join the ranks as their transfers have to.
[[nodiscard]] constexpr collective trees_of(call_kind k) noexcept {
    return has_trees(k) ? static_cast<collective>(k) : collective::allreduce;
}
static_assert(trees_of(call_kind::reduce_scatter) == collective::reduce_scatter);

[[nodiscard]] constexpr bool is_rooted(call_kind k) noexcept {
    return k == call_kind::gather || k == call_kind::scatter || (has_trees(k) && is_rooted(trees_of(k)));
}
[[nodiscard]] constexpr bool reduces(call_kind k) noexcept { return has_trees(k) && reduces(trees_of(k)); }
/// True where the larger buffer has `count` elements of every rank.
[[nodiscard]] constexpr bool has_shards(call_kind k) noexcept {
    return has_trees(k) ? is_sharded(trees_of(k)) : k != call_kind::send_recv;
}

/// What `ncclRedOpCreatePreMulSum` was given.
struct premul_factor {
    nccl::data_type type{};
    const void* on_device = nullptr;      ///< where the factor is read when the collective runs; null: `value`
    std::array<unsigned char, 8> value{}; ///< the bytes of a `type`

    bool operator==(const premul_factor&) const = default;
};

/// What one rank asked for. `root` is 0 and `op` is sum where the call has none.
struct collective_call {
    call_kind kind{};
    const void* in = nullptr; ///< null of a receive
    void* out = nullptr;      ///< null of a send
    std::size_t count = 0;    ///< elements that a rank gives or gets of its own, as NCCL counts them
    nccl::data_type type{};
    nccl::operation op = nccl::sum;
    int root = 0; ///< of a send or receive the rank at its other end
    nccl::communicator* comm = nullptr;
    nccl::stream* stream = nullptr;
    std::optional<premul_factor> factor{}; ///< of an operator that the program has made
    bool receives = false;                 ///< a receive; else, of its kind, a send

    bool operator==(const collective_call&) const = default;
};

/// A send and the receive that belongs to it.
struct matched_transfer {
    int from = 0;
    int to = 0;
    const void* in = nullptr;
    void* out = nullptr;
    std::size_t bytes = 0;
};

/// The same call on all ranks: one entry a rank where a vector stands, but for `transfers`.
struct matched_call {
    call_kind kind{};
    std::size_t count = 0;
    nccl::data_type type{};
    nccl::operation op = nccl::sum;
    int root = 0;
    std::vector<const void*> in;
    std::vector<void*> out;
    std::vector<nccl::stream*> streams;
    std::vector<premul_factor> factors{};      ///< of an operator that the program has made; else none
    std::vector<matched_transfer> transfers{}; ///< of sends and receives; `in` and `out` are empty then
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

/// Bytes of the larger buffer of a rank; of sends and receives those of the longest one.
[[nodiscard]] inline std::size_t bytes_of(const matched_call& c, std::size_t ranks) {
    std::size_t most = c.count * size_of(c.type) * (has_shards(c.kind) ? ranks : 1);
    for (const matched_transfer& t : c.transfers) { most = std::max(most, t.bytes); }
    return most;
}

/// "512 B", "64 KiB", "2 MiB": whole units, rounded down.
[[nodiscard]] inline std::string text_of_bytes(std::size_t bytes) {
    for (const auto& [unit, name] :
         {std::pair{std::size_t{1} << 30, " GiB"}, {std::size_t{1} << 20, " MiB"}, {std::size_t{1} << 10, " KiB"}}) {
        if (bytes >= unit) { return std::to_string(bytes / unit) + name; }
    }
    return std::to_string(bytes) + " B";
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
