// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The arithmetic of the host executor: several operands into one result, in one pass over memory.
#pragma once

#include <blink/core/operators.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace blink::host {

namespace detail {

/// Elements that are small and plain enough to be kept in a local array while all operands are combined.
template <class T>
concept blockable = std::is_trivially_default_constructible_v<T> && std::is_copy_assignable_v<T> && sizeof(T) <= 32;

/// Bytes that are combined at once: few enough for the vector registers of every processor.
inline constexpr std::size_t block_bytes = 64;

/// Combines `Block` elements of two or more operands from the left. The constant count and the local result let a
/// compiler use vector instructions although `to` may be the same memory as an operand.
template <std::size_t Block, bool Finish, class T, class Op>
void combine_block(T* to, std::span<const T* const> operands, std::size_t at, const Op& op, int ranks) {
    T result[Block];
    const T* const first = operands[0] + at;
    const T* const second = operands[1] + at;
    for (std::size_t i = 0; i < Block; ++i) { result[i] = static_cast<T>(op(first[i], second[i])); }
    for (std::size_t k = 2; k < operands.size(); ++k) {
        const T* const next = operands[k] + at;
        for (std::size_t i = 0; i < Block; ++i) { result[i] = static_cast<T>(op(result[i], next[i])); }
    }
    if constexpr (Finish) {
        for (std::size_t i = 0; i < Block; ++i) { result[i] = blink::finish(op, result[i], ranks); }
    }
    for (std::size_t i = 0; i < Block; ++i) { to[at + i] = result[i]; }
}

/// Element i of all operands, combined from the left; recursion keeps every partial result in a variable.
template <class T, class Op>
T fold(std::span<const T* const> operands, std::size_t i, const Op& op) {
    const T& last = operands.back()[i];
    if (operands.size() == 1) { return last; }
    return static_cast<T>(op(fold<T>(operands.first(operands.size() - 1), i, op), last));
}

} // namespace detail

/// to[i] = operands[0][i] op operands[1][i] op ..., from the left; with `Finish`, then the operator's `finish`.
/// Each element is read from all operands before it is written, so `to` may be one of them.
template <bool Finish, class T, class Op>
void combine(T* to, const std::vector<const T*>& operands, std::size_t count, const Op& op, int ranks) {
    const bool alone = operands.size() == 1;
    if constexpr (!(Finish && finishing_operator<Op, T>)) {
        if (alone) {
            if (to != operands[0] && count > 0) { std::memcpy(static_cast<void*>(to), operands[0], count * sizeof(T)); }
            return;
        }
    }
    std::size_t whole = 0;
    if constexpr (detail::blockable<T>) {
        constexpr std::size_t block = detail::block_bytes / sizeof(T);
        whole = alone ? 0 : count - count % block;
        for (std::size_t at = 0; at < whole; at += block) {
            detail::combine_block<block, Finish, T>(to, operands, at, op, ranks);
        }
    }
    // The rest, and elements that are large or cannot be assigned.
    for (std::size_t i = whole; i < count; ++i) {
        const T total = detail::fold<T>(operands, i, op);
        ::new (static_cast<void*>(to + i)) T(Finish ? blink::finish(op, total, ranks) : total);
    }
}

} // namespace blink::host
