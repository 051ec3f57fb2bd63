// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reduction operators. Any callable `T op(T, T)` that is associative and commutative serves in their place.
///
/// A tree combines contributions in the order of the tree, the same on every rank and in every run, but not in
/// the order of the ranks. An operator may also define `T finish(T total, int ranks)`, applied once at the root.
#pragma once

#include <blink/core/config.hpp>

#include <concepts>
#include <type_traits>

namespace blink {

/// What a collective can carry: anything whose bytes may be copied.
template <class T>
concept element = std::is_trivially_copyable_v<T> && !std::is_const_v<T>;

/// A callable that combines two elements into one.
template <class Op, class T>
concept reduction_operator = std::copy_constructible<Op> && requires(const Op& op, const T& a, const T& b) {
    { op(a, b) } -> std::convertible_to<T>;
};

/// Stands in for the operator of a collective that combines nothing, such as a broadcast.
struct no_operator {};

/// What a collective of `T` takes as its operator: one that combines, or `no_operator` where nothing is combined.
template <class Op, class T>
concept collective_operator = std::same_as<Op, no_operator> || reduction_operator<Op, T>;

namespace detail {

template <class T>
concept addable = requires(const T& a, const T& b) {
    static_cast<T>(a + b);
};

template <class T>
concept multipliable = requires(const T& a, const T& b) {
    static_cast<T>(a * b);
};

template <class T>
concept ordered = requires(const T& a, const T& b) {
    { a < b } -> std::convertible_to<bool>;
};

template <class T>
concept divisible = addable<T> && requires(const T& total) {
    static_cast<T>(static_cast<float>(total));
};

} // namespace detail

struct sum {
    template <detail::addable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return static_cast<T>(a + b);
    }
};

struct prod {
    template <detail::multipliable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return static_cast<T>(a * b);
    }
};

struct min {
    template <detail::ordered T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return b < a ? b : a;
    }
};

struct max {
    template <detail::ordered T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return a < b ? b : a;
    }
};

/// Sum, divided by the number of ranks once at the root; integers round towards zero.
struct avg {
    template <detail::divisible T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return static_cast<T>(a + b);
    }
    template <detail::divisible T>
    BLINK_HOST_DEVICE constexpr T finish(const T& total, int ranks) const {
        if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
            return static_cast<T>(total / ranks); // not narrowed before: 200 ranks are no int8
        } else if constexpr (std::is_integral_v<T>) {
            return static_cast<T>(total / static_cast<unsigned>(ranks));
        } else if constexpr (std::is_same_v<T, double>) {
            return total / static_cast<double>(ranks);
        } else {
            return static_cast<T>(static_cast<float>(total) / static_cast<float>(ranks));
        }
    }
};

/// True for operators that transform the total once before it is handed out.
template <class Op, class T>
concept finishing_operator = reduction_operator<Op, T> && requires(const Op& op, const T& total) {
    { op.finish(total, 1) } -> std::convertible_to<T>;
};

/// Applies `op.finish` where the operator has one.
template <class T, class Op>
BLINK_HOST_DEVICE constexpr T finish(const Op& op, const T& total, int ranks) {
    if constexpr (finishing_operator<Op, T>) {
        return static_cast<T>(op.finish(total, ranks));
    } else {
        return total;
    }
}

} // namespace blink
