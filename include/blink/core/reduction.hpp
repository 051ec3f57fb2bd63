// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a collective asks of element types and operators, and in which type it combines.
///
/// Only `T op(T, T)` is needed. An operator may also have, with `A` the type in which it combines:
/// - `using accumulator = A`, or `template <class T> using accumulator_for = A`: elements are widened to `A`, all that
///   a rank combines at once is combined there, and the total is rounded to `T` where it is stored or sent on;
/// - `A prepare(A own, int rank)`: applied once to each element of a rank's own input, before it meets any other;
/// - `A finish(A total, int ranks)`: applied once to the complete total, before it is rounded to `T`;
/// - `void check(int ranks)`: throws where the operator does not fit so many ranks; on the host, before anything moves.
#pragma once

#include <blink/core/config.hpp>

#include <concepts>
#include <type_traits>

namespace blink {

/// What a collective can carry: anything whose bytes may be copied.
template <class T>
concept element = std::is_trivially_copyable_v<T> && !std::is_const_v<T>;

/// True for numbers of one or two bytes that are no integers: CUDA's `__half`, `__nv_bfloat16`, `__nv_fp8_e4m3` and
/// `__nv_fp8_e5m2`, and all that go to float and back like them.
template <class T>
inline constexpr bool narrow_float = sizeof(T) <= 2 && !std::is_integral_v<T> && !std::is_enum_v<T> &&
                                     requires(const T& x, float f) {
    static_cast<float>(x);
    static_cast<T>(f);
};

/// Where sums, products and averages of `T` are formed: in float for narrow numbers, else in `T`.
template <class T>
using default_accumulator = std::conditional_t<narrow_float<T>, float, T>;

namespace detail {

template <class Op, class T>
constexpr auto accumulator_type() {
    if constexpr (requires { typename Op::template accumulator_for<T>; }) {
        return std::type_identity<typename Op::template accumulator_for<T>>{};
    } else if constexpr (requires { typename Op::accumulator; }) {
        return std::type_identity<typename Op::accumulator>{};
    } else {
        return std::type_identity<T>{};
    }
}

} // namespace detail

/// The type in which `Op` combines elements of `T`: `T` itself unless the operator names another one.
template <class Op, class T>
using accumulator_of = typename decltype(detail::accumulator_type<Op, T>())::type;

/// A callable that combines two elements into one.
template <class Op, class T>
concept reduction_operator = std::copy_constructible<Op> &&
    requires(const Op& op, const accumulator_of<Op, T>& a, const accumulator_of<Op, T>& b, const T& x) {
    { op(a, b) } -> std::convertible_to<accumulator_of<Op, T>>;
    static_cast<accumulator_of<Op, T>>(x);
    static_cast<T>(a);
};

/// Stands in for the operator of a collective that combines nothing, such as a broadcast.
struct no_operator {};

/// What a collective of `T` takes as its operator: one that combines, or `no_operator` where nothing is combined.
template <class Op, class T>
concept collective_operator = std::same_as<Op, no_operator> || reduction_operator<Op, T>;

/// True for operators that transform each rank's own input.
template <class Op, class T>
concept preparing_operator = reduction_operator<Op, T> && requires(const Op& op, const accumulator_of<Op, T>& own) {
    { op.prepare(own, 0) } -> std::convertible_to<accumulator_of<Op, T>>;
};

/// True for operators that transform the total once before it is handed out.
template <class Op, class T>
concept finishing_operator = reduction_operator<Op, T> && requires(const Op& op, const accumulator_of<Op, T>& total) {
    { op.finish(total, 1) } -> std::convertible_to<accumulator_of<Op, T>>;
};

/// True where an operator leaves a single contribution, neither combined nor finished, as it is.
template <class Op, class T>
inline constexpr bool keeps_single = std::is_same_v<accumulator_of<Op, T>, T> && !preparing_operator<Op, T>;

/// Stands in for the rank whose own input something is, where it is nobody's.
inline constexpr int no_contributor = -1;

/// Applies `op.prepare` where the operator has one, and rounds what comes of it, as on every other machine.
/// @tparam A the type in which the operator combines
template <class A, class Op>
BLINK_HOST_DEVICE A prepare(const Op& op, const A& own, int rank) {
    if constexpr (preparing_operator<Op, A>) {
        auto prepared = static_cast<A>(op.prepare(own, rank));
        if constexpr (std::is_same_v<A, float>) {
            BLINK_OPAQUE("+f", prepared);
        } else if constexpr (std::is_same_v<A, double>) {
            BLINK_OPAQUE("+d", prepared);
        }
        return prepared;
    } else {
        return own;
    }
}

/// Applies `op.finish` where the operator has one.
/// @tparam A the type in which the operator combines
template <class A, class Op>
BLINK_HOST_DEVICE constexpr A finish(const Op& op, const A& total, int ranks) {
    if constexpr (finishing_operator<Op, A>) {
        return static_cast<A>(op.finish(total, ranks));
    } else {
        return total;
    }
}

/// Asks the operator whether it fits so many ranks.
/// @throw what `op.check` throws
template <class Op>
void check_operator(const Op& op, int ranks) {
    if constexpr (requires { op.check(ranks); }) { op.check(ranks); }
}

} // namespace blink
