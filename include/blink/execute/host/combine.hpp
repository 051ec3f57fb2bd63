// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The arithmetic of the host executor: several operands into one result, in one pass over memory, with the roundings
/// of ranks that send each other their partial results.
#pragma once

#include <blink/core/operators.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

namespace blink::host {

/// What a combination reads. The first operand is the combining rank's own input, the others came from its children.
template <class T>
struct operand {
    const T* data = nullptr;
    int contributor = no_contributor; ///< rank whose input this is; nobody's where it is a partial result
};

namespace detail {

/// Elements that are small and plain enough to be kept in a local array while all operands are combined.
template <class T>
concept blockable = std::is_trivially_default_constructible_v<T> && std::is_copy_assignable_v<T> && sizeof(T) <= 32;

/// Bytes that are combined at once: few enough for the vector registers of every processor.
inline constexpr std::size_t block_bytes = 64;

/// Element i of the first operand, ready to be combined.
template <class Op, class T>
accumulator_of<Op, T> own_element(const operand<T>& from, std::size_t i, const Op& op) {
    using wide = accumulator_of<Op, T>;
    if constexpr (preparing_operator<Op, T>) {
        if (from.contributor != no_contributor) {
            return prepare(op, static_cast<wide>(from.data[i]), from.contributor);
        }
    }
    return static_cast<wide>(from.data[i]);
}

/// Element i of another operand: a child's input has become a `T` on its way.
template <class Op, class T>
accumulator_of<Op, T> child_element(const operand<T>& from, std::size_t i, const Op& op) {
    using wide = accumulator_of<Op, T>;
    if constexpr (preparing_operator<Op, T>) {
        return static_cast<wide>(static_cast<T>(own_element(from, i, op)));
    } else {
        return static_cast<wide>(from.data[i]);
    }
}

/// Combines `Block` elements of two or more operands from the left. The constant count and the local result let a
/// compiler use vector instructions although `to` may be the same memory as an operand.
template <std::size_t Block, bool Finish, class T, class Op>
void combine_block(T* to, std::span<const operand<T>> operands, std::size_t at, const Op& op, int ranks) {
    using wide = accumulator_of<Op, T>;
    wide result[Block];
    const operand<T> first = operands[0];
    const operand<T> second = operands[1];
    for (std::size_t i = 0; i < Block; ++i) {
        result[i] = static_cast<wide>(op(own_element(first, at + i, op), child_element(second, at + i, op)));
    }
    for (std::size_t k = 2; k < operands.size(); ++k) {
        const operand<T> next = operands[k];
        for (std::size_t i = 0; i < Block; ++i) {
            result[i] = static_cast<wide>(op(result[i], child_element(next, at + i, op)));
        }
    }
    if constexpr (Finish) {
        for (std::size_t i = 0; i < Block; ++i) { result[i] = blink::finish(op, result[i], ranks); }
    }
    for (std::size_t i = 0; i < Block; ++i) { to[at + i] = static_cast<T>(result[i]); }
}

/// Element i of all operands, combined from the left; recursion keeps every partial result in a variable.
template <class T, class Op>
accumulator_of<Op, T> fold(std::span<const operand<T>> operands, std::size_t i, const Op& op) {
    if (operands.size() == 1) { return own_element(operands.front(), i, op); }
    return static_cast<accumulator_of<Op, T>>(
        op(fold<T>(operands.first(operands.size() - 1), i, op), child_element(operands.back(), i, op)));
}

} // namespace detail

/// to[i] = all[0][i] op all[1][i] op ..., from the left; with `Finish`, then the operator's `finish`.
/// Each element is read from all of them before it is written, so `to` may be one of them.
template <bool Finish, class T, class Op>
void combine(T* to, const std::vector<operand<T>>& all, std::size_t count, const Op& op, int ranks) {
    const std::span operands(all); // its size is that of one moment, which a compiler can reason about
    const bool alone = operands.size() == 1;
    if constexpr (!(Finish && finishing_operator<Op, T>)&&!preparing_operator<Op, T>) {
        if (alone) {
            const T* const from = operands[0].data;
            if (to != from && count > 0) { std::memcpy(static_cast<void*>(to), from, count * sizeof(T)); }
            return;
        }
    }
    std::size_t whole = 0;
    if constexpr (detail::blockable<T> && detail::blockable<accumulator_of<Op, T>>) {
        constexpr std::size_t block = detail::block_bytes / sizeof(T);
        whole = alone ? 0 : count - count % block;
        for (std::size_t at = 0; at < whole; at += block) {
            detail::combine_block<block, Finish, T>(to, operands, at, op, ranks);
        }
    }
    // The rest, and elements that are large or cannot be assigned.
    for (std::size_t i = whole; i < count; ++i) {
        const auto total = detail::fold<T>(operands, i, op);
        ::new (static_cast<void*>(to + i)) T(static_cast<T>(Finish ? blink::finish(op, total, ranks) : total));
    }
}

} // namespace blink::host
