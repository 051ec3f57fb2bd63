// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// NCCL's operators as callables of Blink. What differs only in a number is one type with that number as a member, so
/// that a kernel each suffices for sum and average, for minimum and maximum, for signed and unsigned integers. Narrow
/// numbers are added in float, as `default_accumulator` says.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/device_schedule.hpp>

#include <cmath>
#include <type_traits>

namespace blink::preload {

/// What happens to a sum once it is complete.
enum class finishing : unsigned char { none, average, signed_average };

/// ncclSum and ncclAvg. Integers are unsigned here: their sums have the same bits, and `signed_average` divides like
/// signed ones, towards zero.
struct total {
    template <class T>
    using accumulator_for = default_accumulator<T>;

    finishing last = finishing::none;

    template <class T>
    BLINK_HOST_DEVICE T operator()(const T& a, const T& b) const {
        return sum{}(a, b);
    }
    template <class T>
    BLINK_HOST_DEVICE T finish(const T& all, int ranks) const {
        if (last == finishing::none) { return all; }
        if constexpr (std::is_integral_v<T>) {
            if (last == finishing::signed_average) {
                return static_cast<T>(avg{}.finish(static_cast<std::make_signed_t<T>>(all), ranks));
            }
        }
        return avg{}.finish(all, ranks);
    }
};

/// What ncclRedOpCreatePreMulSum makes: sums of contributions times a factor, which each rank has of its own. Also
/// ncclAvg of narrow numbers, whose total may be too large for them before it is divided, as NCCL divides first.
template <class T>
struct scaled_total {
    template <class U>
    using accumulator_for = default_accumulator<U>;
    using number = default_accumulator<T>;

    number value[cuda::max_ranks];       ///< by rank
    const T* on_device[cuda::max_ranks]; ///< where the factor is read instead; null: nowhere

    template <class U>
    BLINK_HOST_DEVICE U operator()(const U& a, const U& b) const {
        return sum{}(a, b);
    }
    BLINK_HOST_DEVICE number prepare(const number& own, int rank) const {
        const T* const there = on_device[rank];
        return detail::scaled(own, there != nullptr ? static_cast<number>(*there) : value[rank]);
    }
};

/// ncclMin and ncclMax. Of floating-point numbers a NaN loses against a number, as in NCCL.
template <class T>
struct extreme {
    bool largest = true;
    T flip{}; ///< for signed integers that are stored as unsigned ones: the sign bit

    BLINK_HOST_DEVICE T operator()(const T& a, const T& b) const {
        if constexpr (std::is_integral_v<T>) {
            const bool less = static_cast<T>(a ^ flip) < static_cast<T>(b ^ flip);
            return less == largest ? b : a;
        } else if constexpr (std::is_same_v<T, double>) {
            return largest ? fmax(a, b) : fmin(a, b);
        } else {
            const auto x = static_cast<float>(a);
            const auto y = static_cast<float>(b);
            return static_cast<T>(largest ? fmaxf(x, y) : fminf(x, y));
        }
    }
};

} // namespace blink::preload
