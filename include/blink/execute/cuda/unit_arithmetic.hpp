// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The arithmetic of a thread's unit of elements. Empty places take part: they hold zeros on every rank, and what
/// becomes of them is not looked at.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstdint>
#include <cstring>

namespace blink::cuda {

/// A unit in the type in which `Op` combines.
template <class T, class Op>
using unit_total = vector<accumulator_of<Op, T>, unit_elements<T>>;

/// What `rank` contributes with its input `x`.
template <class T, class Op>
[[nodiscard]] BLINK_DEVICE_CODE inline unit_total<T, Op> contribution(const Op& op, const unit<T>& x, int rank) {
    auto own = converted<accumulator_of<Op, T>>(x);
    if constexpr (preparing_operator<Op, T>) {
        BLINK_UNROLL
        for (int i = 0; i < unit_elements<T>; ++i) { own.v[i] = prepare(op, own.v[i], rank); }
    }
    return own;
}

/// `into` combined with `with`.
template <class T, class Op>
BLINK_DEVICE_CODE inline void add(const Op& op, unit_total<T, Op>& into, const unit<T>& with) {
    combine(op, into, converted<accumulator_of<Op, T>>(with));
}

/// The total, finished and rounded.
template <class T, class Op>
[[nodiscard]] BLINK_DEVICE_CODE inline unit<T> complete(const Op& op, const unit_total<T, Op>& total, int ranks) {
    unit_total<T, Op> finished = total;
    if constexpr (finishing_operator<Op, T>) {
        BLINK_UNROLL
        for (int i = 0; i < unit_elements<T>; ++i) { finished.v[i] = finish(op, total.v[i], ranks); }
    }
    return converted<T>(finished);
}

/// The same bits, whatever they were computed from.
template <class T, int Width>
[[nodiscard]] BLINK_DEVICE_CODE inline vector<T, Width> settled(const vector<T, Width>& x) {
    vector<T, Width> y = x;
    if constexpr (sizeof x % sizeof(std::uint32_t) == 0) {
        std::uint32_t words[sizeof x / sizeof(std::uint32_t)];
        std::memcpy(words, x.v, sizeof words);
        BLINK_UNROLL
        for (std::uint32_t& word : words) { BLINK_OPAQUE("+r", word); }
        std::memcpy(static_cast<void*>(y.v), words, sizeof words);
    }
    return y;
}

/// What `rank` sends to ranks that add it themselves, and adds itself: the same bits, which are those of its input
/// where the operator takes inputs as they are.
template <class T, class Op>
[[nodiscard]] BLINK_DEVICE_CODE inline unit<T> own_part(const Op& op, const unit<T>& input, int rank) {
    if constexpr (preparing_operator<Op, T>) {
        return settled(converted<T>(contribution<T>(op, input, rank)));
    } else {
        return input;
    }
}

} // namespace blink::cuda
