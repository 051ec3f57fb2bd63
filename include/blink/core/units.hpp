// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Units: sizes in bytes with binary literals, rates in GB/s = 1e9 bytes per second, times in microseconds.
#pragma once

#include <cstddef>

namespace blink {

inline namespace literals {
consteval std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
consteval std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }
consteval std::size_t operator""_GiB(unsigned long long n) { return static_cast<std::size_t>(n) << 30; }
} // namespace literals

/// Rate of `bytes` moved in `seconds`, in GB/s (1e9 bytes per second).
[[nodiscard]] constexpr double rate_GBps(double bytes, double seconds) noexcept { return bytes / seconds * 1e-9; }

} // namespace blink
