// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reduction operators. Any callable `T op(T, T)` that is associative and commutative serves in their place; see
/// `reduction.hpp` for what else it may offer.
///
/// A tree combines contributions in the order of the tree, the same on every rank and in every run, but not in
/// the order of the ranks. Of narrow numbers (`narrow_float`) a rank adds up its own input and all its children's
/// partial results in float, and rounds once; partial results travel as `T`. `in_own_type` rounds at every addition.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/core/reduction.hpp>

#include <concepts>
#include <string>
#include <type_traits>

namespace blink {

namespace detail {

template <class T>
concept has_plus = requires(const T& a, const T& b) {
    static_cast<T>(a + b);
};

template <class T>
concept has_times = requires(const T& a, const T& b) {
    static_cast<T>(a * b);
};

template <class T>
concept has_less = requires(const T& a, const T& b) {
    { a < b } -> std::convertible_to<bool>;
};

// A type without arithmetic of its own, such as fp8, is taken to float and back.
template <class T>
concept addable = has_plus<T> || narrow_float<T>;

template <class T>
concept multipliable = has_times<T> || narrow_float<T>;

template <class T>
concept ordered = has_less<T> || narrow_float<T>;

template <class T>
concept divisible = addable<T> && requires(const T& total) {
    static_cast<T>(static_cast<float>(total));
};

template <addable T>
BLINK_HOST_DEVICE constexpr T plus(const T& a, const T& b) {
    if constexpr (has_plus<T>) {
        return static_cast<T>(a + b);
    } else {
        return static_cast<T>(static_cast<float>(a) + static_cast<float>(b));
    }
}

template <ordered T>
BLINK_HOST_DEVICE constexpr bool less(const T& a, const T& b) {
    if constexpr (has_less<T>) {
        return a < b;
    } else {
        return static_cast<float>(a) < static_cast<float>(b);
    }
}

/// `x` times `factor`, which takes the type of `x` first, but for narrow numbers: those are rounded once.
template <multipliable T, class F>
BLINK_HOST_DEVICE constexpr T scaled(const T& x, const F& factor) {
    static_assert(!std::is_integral_v<T> || std::is_integral_v<F>, "integers are multiplied by integers");
    if constexpr (narrow_float<T>) {
        return static_cast<T>(static_cast<float>(x) * static_cast<float>(factor));
    } else {
        return static_cast<T>(x * static_cast<T>(factor));
    }
}

} // namespace detail

struct sum {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    template <detail::addable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::plus(a, b);
    }
};

struct prod {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    template <detail::multipliable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        if constexpr (detail::has_times<T>) {
            return static_cast<T>(a * b);
        } else {
            return detail::scaled(a, b);
        }
    }
};

struct min {
    template <detail::ordered T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::less(b, a) ? b : a;
    }
};

struct max {
    template <detail::ordered T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::less(a, b) ? b : a;
    }
};

/// Sum, divided by the number of ranks once at the root; integers round towards zero. The sum itself has to be a `T`
/// on its way to the root: where that may be too large, scale first, with `premul_sum{1.0F / ranks}`.
struct avg {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    template <detail::divisible T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::plus(a, b);
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

/// Sum of all contributions times a factor.
/// @code
/// blink::allreduce(gpus, grads, grads, count, blink::premul_sum{1.0F / 8});
/// @endcode
/// @tparam F a number; an integer for sums of integers
template <class F>
struct premul_sum {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    F factor;

    template <detail::addable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::plus(a, b);
    }
    template <detail::multipliable T>
    BLINK_HOST_DEVICE constexpr T prepare(const T& own, int /*rank*/) const {
        return detail::scaled(own, factor);
    }
};

template <class F>
premul_sum(F) -> premul_sum<F>;

/// `premul_sum` with a factor for each rank, read while the collective runs.
/// @tparam Ranks how many ranks there are at most; those of the group may be fewer
template <class F, int Ranks>
struct premul_sum_from {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    const F* factors[Ranks]; ///< of rank r `*factors[r]`, in memory that rank r reads: its GPU's own, say

    template <detail::addable T>
    BLINK_HOST_DEVICE constexpr T operator()(const T& a, const T& b) const {
        return detail::plus(a, b);
    }
    template <detail::multipliable T>
    BLINK_HOST_DEVICE constexpr T prepare(const T& own, int rank) const {
        return detail::scaled(own, *factors[rank]);
    }
    /// @throw usage_error where a rank of the group has no factor
    void check(int ranks) const {
        for (int r = 0; r < ranks; ++r) {
            if (r >= Ranks || factors[r] == nullptr) {
                throw usage_error("premul_sum_from: rank " + std::to_string(r) + " of " + std::to_string(ranks) +
                                  " has no factor");
            }
        }
    }
};

/// An operator that combines in the type of the elements, whatever it would accumulate in by itself: a half rounds at
/// every addition, as in the additions of the hardware.
/// @code
/// blink::allreduce(gpus, halves, halves, count, blink::in_own_type<blink::sum>{});
/// @endcode
template <class Op>
struct in_own_type : Op {
    template <class T>
    using accumulator_for = T;
};

template <class Op>
in_own_type(Op) -> in_own_type<Op>;

} // namespace blink
