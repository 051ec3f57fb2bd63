// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Sixteen bytes at a time: loads, stores and the operator over vectors of elements.
#pragma once

#include <blink/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace blink::cuda {

/// `Width` elements that move in one access where that makes 16 bytes.
template <class T, int Width>
struct alignas(Width == 1 ? alignof(T) : sizeof(T) * Width) vector {
    T v[Width];
};

/// Elements in 16 bytes; 1 where elements do not tile them.
template <class T>
inline constexpr int full_width = 16 % sizeof(T) == 0 ? static_cast<int>(16 / sizeof(T)) : 1;

template <int Width, class T>
[[nodiscard]] BLINK_DEVICE_CODE inline vector<T, Width> load(const T* base, std::size_t index) {
    return reinterpret_cast<const vector<T, Width>*>(base)[index];
}

template <int Width, class T>
BLINK_DEVICE_CODE inline void store(T* base, std::size_t index, const vector<T, Width>& x) {
    reinterpret_cast<vector<T, Width>*>(base)[index] = x;
}

/// The same elements as another type: wider ones to be combined, or a total rounded back.
template <class To, int Width, class From>
[[nodiscard]] BLINK_DEVICE_CODE inline vector<To, Width> converted(const vector<From, Width>& x) {
    if constexpr (std::is_same_v<To, From>) {
        return x;
    } else {
        vector<To, Width> y;
        BLINK_UNROLL
        for (int i = 0; i < Width; ++i) { y.v[i] = static_cast<To>(x.v[i]); }
        return y;
    }
}

template <int Width, class T, class Op>
BLINK_DEVICE_CODE inline void combine(const Op& op, vector<T, Width>& into, const vector<T, Width>& with) {
    BLINK_UNROLL
    for (int i = 0; i < Width; ++i) { into.v[i] = static_cast<T>(op(into.v[i], with.v[i])); }
}

/// True where 16-byte accesses at `p` are allowed.
[[nodiscard]] BLINK_HOST_DEVICE inline bool aligned(const void* p) {
    return (reinterpret_cast<std::uintptr_t>(p) & 15U) == 0;
}

} // namespace blink::cuda
