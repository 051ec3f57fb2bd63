// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The collectives that Blink plans, by the names that its tools print.
#pragma once

#include <blink/core/error.hpp>

#include <array>
#include <string>
#include <string_view>

namespace blink {

enum class collective : unsigned char { broadcast, reduce, allreduce, allgather, reduce_scatter };

inline constexpr std::array collective_names{std::string_view{"broadcast"}, std::string_view{"reduce"},
                                             std::string_view{"allreduce"}, std::string_view{"allgather"},
                                             std::string_view{"reduce_scatter"}};

[[nodiscard]] constexpr std::string_view to_string(collective c) noexcept {
    return collective_names[static_cast<std::size_t>(c)];
}

/// @throw usage_error for a name that is none of `collective_names`
[[nodiscard]] inline collective collective_from(std::string_view name) {
    for (std::size_t i = 0; i < collective_names.size(); ++i) {
        if (collective_names[i] == name) { return static_cast<collective>(i); }
    }
    throw usage_error("unknown collective '" + std::string(name) +
                      "': expected broadcast, reduce, allreduce, allgather or reduce_scatter");
}

/// True where one rank is the source or the destination of everything.
[[nodiscard]] constexpr bool is_rooted(collective c) noexcept {
    return c == collective::broadcast || c == collective::reduce;
}

/// True where contributions are combined by an operator.
[[nodiscard]] constexpr bool reduces(collective c) noexcept {
    return c == collective::reduce || c == collective::allreduce || c == collective::reduce_scatter;
}

/// True where a result is handed to other ranks than the one that has it first.
[[nodiscard]] constexpr bool hands_on(collective c) noexcept {
    return c != collective::reduce && c != collective::reduce_scatter;
}

/// True where every rank owns a shard of the larger buffer, and is the root of the lanes that carry it.
[[nodiscard]] constexpr bool is_sharded(collective c) noexcept {
    return c == collective::allgather || c == collective::reduce_scatter;
}

} // namespace blink
