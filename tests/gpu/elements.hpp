// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Element types of the GPU tests: how random ones are made, how a result is judged against an exact reference.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gpu_test {

/// A user's type that tiles 16 bytes: a value and where it was found.
struct located {
    float value;
    std::int32_t where;
};

/// A user's operator: the larger magnitude, the lower place among equals. Exact whatever the order.
struct larger_magnitude {
    BLINK_HOST_DEVICE located operator()(const located& a, const located& b) const {
        const float x = fabsf(a.value);
        const float y = fabsf(b.value);
        return x > y || (x == y && a.where < b.where) ? a : b;
    }
};

/// A user's type of twelve bytes: moves element by element.
struct triple {
    std::int32_t x, y, z;
};

struct add_triples {
    BLINK_HOST_DEVICE triple operator()(const triple& a, const triple& b) const {
        return {a.x + b.x, a.y + b.y, a.z + b.z};
    }
};

/// A user's operator that multiplies each rank's input by a number of its own.
struct sum_by_rank {
    template <class T>
    using accumulator_for = blink::default_accumulator<T>;

    template <class T>
    BLINK_HOST_DEVICE T operator()(const T& a, const T& b) const {
        return a + b;
    }
    template <class T>
    BLINK_HOST_DEVICE T prepare(const T& own, int rank) const {
        return own * static_cast<T>(factor(rank));
    }
    [[nodiscard]] static BLINK_HOST_DEVICE float factor(int rank) { return static_cast<float>(rank - 3) / 2; }
};

template <class T>
inline constexpr bool is_fp8 = std::is_same_v<T, __nv_fp8_e4m3> || std::is_same_v<T, __nv_fp8_e5m2>;

template <class T>
inline constexpr bool is_real =
    std::is_floating_point_v<T> || std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16> || is_fp8<T>;

/// Distance of 1 from the next larger number.
template <class T>
[[nodiscard]] BLINK_HOST_DEVICE constexpr double epsilon() {
    if constexpr (std::is_same_v<T, double>) {
        return 0x1p-52;
    } else if constexpr (std::is_same_v<T, float>) {
        return 0x1p-23;
    } else if constexpr (std::is_same_v<T, __half>) {
        return 0x1p-10;
    } else {
        return 0x1p-7;
    }
}

/// Well mixed bits for element `i` of rank `r` (the finaliser of splitmix64, Steele et al. 2014).
[[nodiscard]] BLINK_HOST_DEVICE inline std::uint64_t mixed(std::uint64_t seed, int r, std::uint64_t i) {
    std::uint64_t z = seed * 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(r) * 0xD1B54A32D192ED03U + i;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

/// Input of rank `r` at element `i`. `factors`: values that can be multiplied 16 times over, of fp8 8 times. The sums
/// and products of fp8 are exact in every order for up to 8 ranks.
template <class T>
[[nodiscard]] BLINK_HOST_DEVICE T input(std::uint64_t seed, int r, std::uint64_t i, bool factors) {
    const std::uint64_t bits = mixed(seed, r, i);
    if constexpr (std::is_same_v<T, located>) {
        return {static_cast<float>(static_cast<int>(bits % 2001) - 1000), static_cast<std::int32_t>(bits >> 40)};
    } else if constexpr (std::is_same_v<T, triple>) {
        return {static_cast<std::int32_t>(bits & 0xFFFF), static_cast<std::int32_t>(bits >> 48),
                static_cast<std::int32_t>(i & 0xFFFF)};
    } else if constexpr (is_fp8<T>) {
        const float scale = 0.25F * static_cast<float>(1U << (mixed(seed, -1, i) % 5));
        const auto number = static_cast<float>(static_cast<int>(bits % 3) - 1);
        const float sign = (bits >> 60 & 1U) != 0 ? -1.0F : 1.0F;
        return static_cast<T>(factors ? sign * static_cast<float>(bits % 2 + 1) : number * scale);
    } else if constexpr (is_real<T>) {
        const double unit = static_cast<double>(bits >> 11) * 0x1p-53;
        return static_cast<T>(static_cast<float>(factors ? 0.75 + unit / 2 : 2 * unit - 1));
    } else if (factors) {
        return static_cast<T>(bits % 2 + 1);
    } else if constexpr (std::is_signed_v<T>) {
        return static_cast<T>(static_cast<int>(bits % 15) - 7);
    } else {
        return static_cast<T>(bits % 16);
    }
}

/// Judges the result of combining the ranks' inputs at one element: exact for integers, fp8 and users' types, within
/// the rounding of the worst order for other floating point, against float64.
template <class T, class Op>
struct judge {
    std::uint64_t seed;
    int ranks;
    Op op{};

    static constexpr bool factors = std::is_same_v<Op, blink::prod>;

    [[nodiscard]] BLINK_HOST_DEVICE bool right(const T& result, std::uint64_t i) const {
        if constexpr (is_real<T>) {
            double total = contribution(0, i);
            double magnitude = fabs(total);
            for (int r = 1; r < ranks; ++r) {
                const double next = contribution(r, i);
                total = static_cast<double>(op(total, next));
                magnitude = factors ? fabs(total) : magnitude + fabs(next);
            }
            total = blink::finish(op, total, ranks);
            if constexpr (is_fp8<T>) { return same(result, static_cast<T>(static_cast<float>(total))); }
            constexpr bool exact = std::is_same_v<Op, blink::min> || std::is_same_v<Op, blink::max>;
            const double bound = exact ? 0 : (ranks + 1) * epsilon<T>() * magnitude;
            return fabs(as_double(result) - total) <= bound;
        } else {
            T total = blink::prepare(op, input<T>(seed, 0, i, factors), 0);
            for (int r = 1; r < ranks; ++r) {
                total = static_cast<T>(op(total, blink::prepare(op, input<T>(seed, r, i, factors), r)));
            }
            total = blink::finish(op, total, ranks);
            return same(result, total);
        }
    }

    /// What rank `r` contributes to a sum of numbers.
    [[nodiscard]] BLINK_HOST_DEVICE double contribution(int r, std::uint64_t i) const {
        return blink::prepare(op, as_double(input<T>(seed, r, i, factors)), r);
    }

    [[nodiscard]] static BLINK_HOST_DEVICE bool same(const T& a, const T& b) {
        const auto* x = reinterpret_cast<const unsigned char*>(&a);
        const auto* y = reinterpret_cast<const unsigned char*>(&b);
        for (std::size_t k = 0; k < sizeof(T); ++k) {
            if (x[k] != y[k]) { return false; }
        }
        return true;
    }

    [[nodiscard]] static BLINK_HOST_DEVICE double as_double(const T& x) {
        if constexpr (std::is_same_v<T, double>) {
            return x;
        } else {
            return static_cast<double>(static_cast<float>(x));
        }
    }
};

} // namespace gpu_test
