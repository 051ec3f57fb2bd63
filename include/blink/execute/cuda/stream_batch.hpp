// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Some units of a thread that travel together, and their arithmetic. Empty places take part: they hold zeros on every
/// rank, and what becomes of them is not looked at.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/vector.hpp>

namespace blink::cuda {

/// `N` units.
template <class T, int N>
struct batch {
    unit<T> of[N];
};

/// The same in the type in which `Op` combines.
template <class T, class Op, int N>
struct batch_total {
    vector<accumulator_of<Op, T>, unit_elements<T>> of[N];

    template <class Function>
    BLINK_DEVICE_CODE void each(const Function& f) {
        BLINK_UNROLL
        for (int i = 0; i < N; ++i) {
            BLINK_UNROLL
            for (int e = 0; e < unit_elements<T>; ++e) { of[i].v[e] = f(of[i].v[e], i, e); }
        }
    }
};

template <class Op, class T, int N>
[[nodiscard]] BLINK_DEVICE_CODE inline batch_total<T, Op, N> widened(const batch<T, N>& x) {
    batch_total<T, Op, N> y;
    BLINK_UNROLL
    for (int i = 0; i < N; ++i) { y.of[i] = converted<accumulator_of<Op, T>>(x.of[i]); }
    return y;
}

template <class T, class Op, int N>
[[nodiscard]] BLINK_DEVICE_CODE inline batch<T, N> rounded(const batch_total<T, Op, N>& x) {
    batch<T, N> y;
    BLINK_UNROLL
    for (int i = 0; i < N; ++i) { y.of[i] = converted<T>(x.of[i]); }
    return y;
}

/// What `rank` contributes with its input `x`.
template <class Op, class T, int N>
[[nodiscard]] BLINK_DEVICE_CODE inline batch_total<T, Op, N> contribution(const Op& op, const batch<T, N>& x,
                                                                          int rank) {
    batch_total<T, Op, N> own = widened<Op>(x);
    if constexpr (preparing_operator<Op, T>) {
        own.each([&](const auto& v, int, int) { return prepare(op, v, rank); });
    }
    return own;
}

/// `into` combined with `with`.
template <class Op, class T, int N>
BLINK_DEVICE_CODE inline void add(const Op& op, batch_total<T, Op, N>& into, const batch<T, N>& with) {
    using wide = accumulator_of<Op, T>;
    const batch_total<T, Op, N> other = widened<Op>(with);
    into.each([&](const wide& v, int i, int e) { return static_cast<wide>(op(v, other.of[i].v[e])); });
}

/// The total, finished and rounded.
template <class Op, class T, int N>
[[nodiscard]] BLINK_DEVICE_CODE inline batch<T, N> complete(const Op& op, batch_total<T, Op, N> total, int ranks) {
    if constexpr (finishing_operator<Op, T>) {
        total.each([&](const auto& v, int, int) { return finish(op, v, ranks); });
    }
    return rounded(total);
}

/// The same bits, whatever they were computed from.
template <class T, int N>
[[nodiscard]] BLINK_DEVICE_CODE inline batch<T, N> settled(batch<T, N> x) {
    BLINK_UNROLL
    for (auto& of : x.of) { of = settled(of); }
    return x;
}

} // namespace blink::cuda
