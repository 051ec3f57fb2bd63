// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Numbers of one and two bytes for tests where there is no CUDA: the bits of `__half`, `__nv_bfloat16`,
/// `__nv_fp8_e4m3` and `__nv_fp8_e5m2`, converted as CUDA does (to the nearest, ties to even; fp8 stays finite).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace made {

/// A sign, `Exponent` bits, and the rest for the mantissa. `Infinite`: the largest exponent holds infinity and NaN, as
/// in IEEE 754; else all bits set is the one NaN.
/// @tparam Saturates numbers that are too large become the largest finite one instead of infinity
template <class Bits, int Exponent, bool Infinite, bool Saturates>
struct small_float {
    static constexpr int mantissa = static_cast<int>(sizeof(Bits)) * 8 - 1 - Exponent;
    static constexpr int bias = (1 << (Exponent - 1)) - 1;
    static constexpr unsigned top = (1U << Exponent) - 1;
    static constexpr unsigned fractions = 1U << mantissa;
    static constexpr unsigned nan_bits =
        Infinite ? (top << mantissa) + fractions / 2 : (top << mantissa) + fractions - 1;

    Bits bits;

    small_float() = default;
    explicit small_float(float x) : bits(static_cast<Bits>(encoded(std::abs(x)) | sign(x))) {}

    explicit operator float() const {
        const unsigned magnitude = bits & ((1U << (8 * sizeof(Bits) - 1)) - 1);
        const unsigned exponent = magnitude >> mantissa;
        const float fraction = static_cast<float>(magnitude % fractions) / static_cast<float>(fractions);
        float x = exponent == 0 ? std::ldexp(fraction, 1 - bias)
                                : std::ldexp(1 + fraction, static_cast<int>(exponent) - bias);
        if (Infinite && exponent == top) {
            x = magnitude % fractions == 0 ? std::numeric_limits<float>::infinity()
                                           : std::numeric_limits<float>::quiet_NaN();
        } else if (!Infinite && magnitude == nan_bits) {
            x = std::numeric_limits<float>::quiet_NaN();
        }
        return bits == magnitude ? x : -x;
    }

    friend bool operator==(const small_float&, const small_float&) = default; ///< the same bits

  private:
    static unsigned sign(float x) { return std::signbit(x) ? 1U << (8 * sizeof(Bits) - 1) : 0; }

    static unsigned encoded(float x) {
        if (std::isnan(x)) { return nan_bits; }
        constexpr unsigned largest = Infinite ? (top << mantissa) - 1 : nan_bits - 1;
        constexpr unsigned beyond = Saturates ? largest : top << mantissa;
        if (std::isinf(x)) { return beyond; }
        if (x == 0) { return 0; }
        const int exponent = std::max(std::ilogb(x), 1 - bias);
        // Counted in units of the last place, a carry moves into the exponent by itself.
        const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(x, std::min(mantissa - exponent, 300))));
        if (exponent > bias + 1) { return beyond; }
        const unsigned all = (static_cast<unsigned>(exponent + bias - 1) << mantissa) + units;
        return all > largest ? beyond : all;
    }
};

using float16 = small_float<std::uint16_t, 5, true, false>;
using bfloat16 = small_float<std::uint16_t, 8, true, false>;
using fp8_e4m3 = small_float<std::uint8_t, 4, false, true>;
using fp8_e5m2 = small_float<std::uint8_t, 5, true, true>;

} // namespace made
