// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Sums of two contributions of two bytes, in the GPU's own arithmetic: an instruction for two elements instead of
/// nine.
///
/// They are what adding in float and rounding once gives, bit for bit: two such numbers whose exponents differ by less
/// than the float has digits beyond theirs have an exact sum in float, and others are too far apart for the smaller one
/// to decide a rounding. NaNs become the same one either way.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/cell.hpp>

#include <cstdint>
#include <cstring>
#include <type_traits>

struct __half;        // of cuda_fp16.h, which is the user's to include
struct __nv_bfloat16; // of cuda_bf16.h

namespace blink::cuda {

/// Whether `sum_of_pair` adds such elements.
template <class Op, class T>
inline constexpr bool sums_pairs = std::is_same_v<Op, sum> &&
                                   (std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>);

/// `a` + `b`, each element rounded once; the same for `b` + `a`.
template <class T>
[[nodiscard]] BLINK_DEVICE_CODE inline unit<T> sum_of_pair(const unit<T>& a, const unit<T>& b) {
    unit<T> c;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    static_assert(sizeof(unit<T>) % sizeof(std::uint32_t) == 0);
    constexpr int words = sizeof(unit<T>) / sizeof(std::uint32_t);
    std::uint32_t x[words];
    std::uint32_t y[words];
    std::memcpy(x, a.v, sizeof x);
    std::memcpy(y, b.v, sizeof y);
    BLINK_UNROLL
    for (int i = 0; i < words; ++i) {
        if constexpr (std::is_same_v<T, __half>) {
            asm("add.rn.f16x2 %0, %0, %1;" : "+r"(x[i]) : "r"(y[i]));
        } else {
            asm("add.rn.bf16x2 %0, %0, %1;" : "+r"(x[i]) : "r"(y[i]));
        }
    }
    std::memcpy(static_cast<void*>(c.v), x, sizeof x);
#else
    BLINK_UNROLL
    for (int i = 0; i < unit_elements<T>; ++i) {
        c.v[i] = static_cast<T>(static_cast<float>(a.v[i]) + static_cast<float>(b.v[i]));
    }
#endif
    return c;
}

} // namespace blink::cuda
