// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Numbers of all of NCCL's arithmetic types on the host, and what collectives should make of them.
#pragma once

#include <blink/core/reduction.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "nccl/abi.hpp"

namespace preload_test {

using namespace blink::preload::nccl;

template <class T>
struct tag {
    using type = T;
};

/// Calls f(tag<T>) with the type that `type` names.
template <class Function>
auto with_type(data_type type, const Function& f) {
    switch (type) {
    case int8:
        return f(tag<std::int8_t>{});
    case uint8:
        return f(tag<std::uint8_t>{});
    case int32:
        return f(tag<std::int32_t>{});
    case uint32:
        return f(tag<std::uint32_t>{});
    case int64:
        return f(tag<std::int64_t>{});
    case uint64:
        return f(tag<std::uint64_t>{});
    case float16:
        return f(tag<__half>{});
    case bfloat16:
        return f(tag<__nv_bfloat16>{});
    case float64:
        return f(tag<double>{});
    case float8e4m3:
        return f(tag<__nv_fp8_e4m3>{});
    case float8e5m2:
        return f(tag<__nv_fp8_e5m2>{});
    default:
        return f(tag<float>{});
    }
}

[[nodiscard]] inline std::size_t bytes_of(data_type type) {
    return with_type(type, [](auto t) { return sizeof(typename decltype(t)::type); });
}

[[nodiscard]] inline std::vector<unsigned char> encoded(data_type type, const std::vector<double>& values) {
    return with_type(type, [&](auto t) {
        using value = typename decltype(t)::type;
        std::vector<unsigned char> bytes(values.size() * sizeof(value));
        for (std::size_t i = 0; i < values.size(); ++i) {
            value v{};
            if constexpr (blink::narrow_float<value>) {
                v = static_cast<value>(static_cast<float>(values[i]));
            } else if constexpr (std::is_integral_v<value>) {
                // Numbers below 0 of an unsigned type are those that wrap around.
                v = static_cast<value>(static_cast<std::int64_t>(values[i]));
            } else {
                v = static_cast<value>(values[i]);
            }
            std::memcpy(bytes.data() + i * sizeof(value), &v, sizeof(value));
        }
        return bytes;
    });
}

[[nodiscard]] inline std::vector<double> decoded(data_type type, const std::vector<unsigned char>& bytes) {
    return with_type(type, [&](auto t) {
        using value = typename decltype(t)::type;
        std::vector<double> values(bytes.size() / sizeof(value));
        for (std::size_t i = 0; i < values.size(); ++i) {
            value v{};
            std::memcpy(&v, bytes.data() + i * sizeof(value), sizeof(value));
            if constexpr (blink::narrow_float<value>) {
                values[i] = static_cast<double>(static_cast<float>(v));
            } else {
                values[i] = static_cast<double>(v);
            }
        }
        return values;
    });
}

/// Element `i` of rank `r`: whole numbers that every type holds, also their sum and product over eight ranks. Below 0
/// where the type has such numbers, so that a comparison of signed numbers as unsigned ones is noticed.
[[nodiscard]] inline double element(data_type type, operation op, std::size_t r, std::size_t i) {
    if (op == prod) { return static_cast<double>(1 + (i + r) % 2 * (r < 6 ? 1 : 0)); }
    // Of fp8 the sum of eight ones is a number, and little more.
    if (type == float8e4m3 || type == float8e5m2) { return static_cast<double>((i * 7 + r * 5) % 3) - 1; }
    const bool is_unsigned = type == uint8 || type == uint32 || type == uint64;
    return static_cast<double>((i * 7 + r * 5) % 13) - (is_unsigned ? 0 : 6);
}

/// What the ranks' elements combine to.
[[nodiscard]] inline double combined(data_type type, operation op, std::size_t ranks, std::size_t i) {
    double total = element(type, op, 0, i);
    for (std::size_t r = 1; r < ranks; ++r) {
        const double next = element(type, op, r, i);
        total = op == prod  ? total * next
                : op == max ? std::max(total, next)
                : op == min ? std::min(total, next)
                            : total + next;
    }
    if (op != avg) { return total; }
    const double mean = total / static_cast<double>(ranks);
    const bool is_real = type >= float16;
    return is_real ? mean : std::trunc(mean);
}

/// True for the same number, and for a mean whose parts and partial sums were rounded.
[[nodiscard]] inline bool near(data_type type, operation op, double is, double should_be) {
    if (is == should_be || op != avg) { return is == should_be; }
    if (type == float8e4m3 || type == float8e5m2) { return std::fabs(is - should_be) <= 0.3; }
    return std::fabs(is - should_be) <= (type == float16 || type == bfloat16 ? 0.15 : 1e-5);
}

} // namespace preload_test
