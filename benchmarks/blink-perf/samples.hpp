// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How calls are shared among samples, and how many calls a size is worth.
#pragma once

#include <cstddef>

namespace blink_perf {

/// How many of `calls` calls in a row make up sample `i` of `samples`: as many in each, at most one more in some.
[[nodiscard]] constexpr int calls_in_sample(int calls, int samples, int i) noexcept {
    const auto before = [&](long long n) { return static_cast<int>(n * calls / samples); };
    return before(i + 1) - before(i);
}

/// `-n auto`: so many calls that a launch of them costs each next to nothing, and that long ones do not take minutes.
[[nodiscard]] constexpr int automatic_calls(std::size_t bytes) noexcept {
    return bytes <= (256U << 10) ? 100 : bytes <= (4U << 20) ? 50 : 20;
}
/// `-n auto` without `-G`.
inline constexpr int automatic_graphs = 8;

} // namespace blink_perf
