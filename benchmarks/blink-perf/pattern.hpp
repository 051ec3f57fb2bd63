// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Random input and the result that it must give, element by element, on host and device alike.
///
/// The inputs are whole numbers so small (for floating types: eighths of them) that every order of combination gives
/// the same, exactly representable result; so a wrong element is one whose bits differ. The reference combines in
/// double or in 64-bit integers with code of its own, not with the operators under test.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "moves.hpp"
#include "types.hpp"

namespace blink_perf {

/// A whole number up to which `T` holds every whole number; of the small integers one is left for the poison.
template <class T>
BLINK_HOST_DEVICE constexpr std::int64_t exact_limit() {
    if constexpr (std::is_integral_v<T>) {
        return sizeof(T) == 1 ? std::int64_t{std::is_signed_v<T> ? 126 : 254} : std::int64_t{1} << 20;
    } else if constexpr (sizeof(T) >= 4) {
        return std::int64_t{1} << 20;
    } else if constexpr (sizeof(T) == 1) {
        return static_cast<float>(T(9.0F)) == 9.0F ? 16 : 8; // of fp8, likewise
    } else {
        // Any 2-byte type: 2^k + 1 is the first whole number that does not come back.
        return static_cast<float>(T(257.0F)) == 257.0F ? 2048 : 256;
    }
}

/// What the data of one measurement depend on.
struct pattern {
    std::uint64_t seed = 0;
    blink::collective kind = blink::collective::allreduce;
    reduction op = reduction::sum;
    int ranks = 1;
    int root = 0;
    std::size_t count = 0;           ///< elements of a shard, where the collective is sharded
    movement moves = movement::none; ///< where not none, what is measured in place of `kind`
};

/// splitmix64 (Steele, Lea, Flood 2014) of the element's address.
BLINK_HOST_DEVICE constexpr std::uint64_t random_bits(std::uint64_t seed, int rank, std::size_t index) {
    std::uint64_t z = (seed << 40) + (static_cast<std::uint64_t>(rank) << 52) + index;
    z = (z + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

/// Wide enough for every partial result of `T`.
template <class T>
using wide = std::conditional_t<!std::is_integral_v<T>, double,
                                std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;

/// The number that stands for element `index` of `rank`, before it becomes a `T`.
template <class T>
BLINK_HOST_DEVICE wide<T> input_number(const pattern& p, int rank, std::size_t index) {
    const std::uint64_t bits = random_bits(p.seed, rank, index);
    constexpr bool has_sign = !std::is_unsigned_v<T>;
    std::int64_t number = 0;
    if (p.op == reduction::prod) {
        // At most six doublings, which an int8 holds.
        const bool may_double = (rank & 3) == 0 && rank < 24;
        number = may_double && (bits & 1U) != 0 ? 2 : 1;
        if (has_sign && (bits & 2U) != 0) { number = -number; }
        return static_cast<wide<T>>(number);
    }
    std::int64_t limit = exact_limit<T>() / p.ranks;
    if (std::is_integral_v<T> && p.op == reduction::mulsum) { limit /= mulsum_factor; }
    if (limit < 1) {
        // As many ones as the type can count, of the first ranks.
        if (rank >= exact_limit<T>() / (std::is_integral_v<T> ? mulsum_factor : 1)) { return wide<T>{}; }
        limit = 1;
    }
    number = static_cast<std::int64_t>(bits % static_cast<std::uint64_t>(limit + 1));
    if (has_sign && (bits >> 63) != 0) { number = -number; }
    if constexpr (std::is_integral_v<T>) {
        return static_cast<wide<T>>(number);
    } else {
        return static_cast<double>(number) / 8;
    }
}

/// `double` reaches the smaller types by way of float, which holds all our numbers.
template <class T>
BLINK_HOST_DEVICE T narrowed(wide<T> number) {
    if constexpr (std::is_integral_v<T> || sizeof(T) == 8) {
        return static_cast<T>(number);
    } else {
        return T(static_cast<float>(number));
    }
}

template <class T>
BLINK_HOST_DEVICE T input_value(const pattern& p, int rank, std::size_t index) {
    return narrowed<T>(input_number<T>(p, rank, index));
}

/// What must stand in element `index` of the result of `owner`.
template <class T>
BLINK_HOST_DEVICE T expected_value(const pattern& p, int owner, std::size_t index) {
    if (p.moves != movement::none) {
        const source from = source_of(p.moves, p.ranks, p.root, p.count, owner, index);
        return input_value<T>(p, from.rank, from.index);
    }
    if (p.kind == blink::collective::broadcast) { return input_value<T>(p, p.root, index); }
    if (p.kind == blink::collective::allgather) {
        return input_value<T>(p, static_cast<int>(index / p.count), index % p.count);
    }
    if (p.kind == blink::collective::reduce_scatter) { index += static_cast<std::size_t>(owner) * p.count; }
    wide<T> total = input_number<T>(p, 0, index);
    for (int rank = 1; rank < p.ranks; ++rank) {
        const wide<T> next = input_number<T>(p, rank, index);
        switch (p.op) {
        case reduction::sum:
        case reduction::avg:
        case reduction::mulsum:
            total += next;
            break;
        case reduction::prod:
            total *= next;
            break;
        case reduction::min:
            total = next < total ? next : total;
            break;
        case reduction::max:
            total = total < next ? next : total;
            break;
        }
    }
    if (p.op == reduction::mulsum) { total *= static_cast<wide<T>>(mulsum_factor); }
    if (p.op == reduction::avg) { total /= static_cast<wide<T>>(p.ranks); }
    return narrowed<T>(total);
}

/// A value that no input and no result takes, so that an element which nobody wrote is a wrong one: not a number, or
/// an integer beyond all that the inputs can make.
template <class T>
BLINK_HOST_DEVICE T poison_value() {
    constexpr bool is_signed_integer = std::is_integral_v<T> && std::is_signed_v<T>;
    T value{};
    memset(&value, is_signed_integer ? 0x80 : 0xFF, sizeof(T));
    return value;
}

/// True where `found` is not the number `expected`; fp8 is compared as float, as it has no comparison of its own.
template <class T>
BLINK_HOST_DEVICE bool differs(const T& found, const T& expected) {
    if constexpr (requires { found == expected; }) {
        return !(found == expected);
    } else {
        return !(static_cast<float>(found) == static_cast<float>(expected));
    }
}

/// Elements of an input and of an output of `p.count` elements, and whether one holds a shard for every rank.
[[nodiscard]] constexpr std::size_t input_count(const pattern& p) noexcept {
    return p.moves != movement::none ? input_count(p.moves, p.ranks, p.count)
                                     : blink::input_count(p.kind, p.ranks, p.count);
}
[[nodiscard]] constexpr std::size_t output_count(const pattern& p) noexcept {
    return p.moves != movement::none ? output_count(p.moves, p.ranks, p.count)
                                     : blink::output_count(p.kind, p.ranks, p.count);
}
[[nodiscard]] constexpr bool is_sharded(const pattern& p) noexcept {
    return p.moves != movement::none ? is_sharded(p.moves) : blink::is_sharded(p.kind);
}
[[nodiscard]] constexpr bool is_rooted(const pattern& p) noexcept {
    return p.moves != movement::none ? is_rooted(p.moves) : blink::is_rooted(p.kind);
}
[[nodiscard]] constexpr bool reduces(const pattern& p) noexcept {
    return p.moves == movement::none && blink::reduces(p.kind);
}

/// True where rank `rank` holds a result.
BLINK_HOST_DEVICE constexpr bool holds_result(const pattern& p, int rank) {
    if (p.moves != movement::none) { return p.moves != movement::gather || rank == p.root; }
    return p.kind != blink::collective::reduce || rank == p.root;
}

/// True where rank `rank` has input.
BLINK_HOST_DEVICE constexpr bool holds_input(const pattern& p, int rank) {
    if (p.moves != movement::none) { return p.moves != movement::scatter || rank == p.root; }
    return p.kind != blink::collective::broadcast || rank == p.root;
}

} // namespace blink_perf
