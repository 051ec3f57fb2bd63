// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Element types and operators by the names of nccl-tests.
#pragma once

#include <blink/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace blink_perf {

/// In the order of NCCL, whose numbers for them these are.
enum class element_type : unsigned char {
    int8,
    uint8,
    int32,
    uint32,
    int64,
    uint64,
    half,
    float32,
    float64,
    bfloat16,
    fp8_e4m3,
    fp8_e5m2
};

inline constexpr std::array type_names{
    std::string_view{"int8"},     std::string_view{"uint8"},    std::string_view{"int32"},
    std::string_view{"uint32"},   std::string_view{"int64"},    std::string_view{"uint64"},
    std::string_view{"half"},     std::string_view{"float"},    std::string_view{"double"},
    std::string_view{"bfloat16"}, std::string_view{"fp8_e4m3"}, std::string_view{"fp8_e5m2"}};
inline constexpr std::array<std::size_t, type_names.size()> type_sizes{1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};

enum class reduction : unsigned char { sum, prod, min, max, avg, mulsum };

inline constexpr std::array reduction_names{std::string_view{"sum"}, std::string_view{"prod"},
                                            std::string_view{"min"}, std::string_view{"max"},
                                            std::string_view{"avg"}, std::string_view{"mulsum"}};

/// What `mulsum` multiplies every contribution by.
inline constexpr int mulsum_factor = 2;

[[nodiscard]] constexpr std::string_view to_string(element_type t) noexcept {
    return type_names[static_cast<std::size_t>(t)];
}
[[nodiscard]] constexpr std::string_view to_string(reduction r) noexcept {
    return reduction_names[static_cast<std::size_t>(r)];
}
[[nodiscard]] constexpr std::size_t size_of(element_type t) noexcept { return type_sizes[static_cast<std::size_t>(t)]; }

/// Every value of `Enum`, which `names` has a name for each of.
template <class Enum, std::size_t N>
[[nodiscard]] std::vector<Enum> all_of(const std::array<std::string_view, N>& /*names*/) {
    std::vector<Enum> all;
    for (std::size_t i = 0; i < N; ++i) { all.push_back(static_cast<Enum>(i)); }
    return all;
}

/// The place of `name` in `names`.
/// @throw blink::usage_error listing the names where it is none of them
template <std::size_t N>
[[nodiscard]] std::size_t index_of(std::string_view name, const std::array<std::string_view, N>& names,
                                   std::string_view what) {
    std::string expected;
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == name) { return i; }
        expected += (i == 0 ? "" : ", ") + std::string(names[i]);
    }
    throw blink::usage_error(std::string(what) + " '" + std::string(name) + "': expected one of " + expected +
                             ", or all");
}

/// `name` as here or, for fp8, as in nccl-tests: f8e4m3, f8e5m2.
[[nodiscard]] inline element_type type_from(std::string_view name) {
    if (name == "f8e4m3") { return element_type::fp8_e4m3; }
    if (name == "f8e5m2") { return element_type::fp8_e5m2; }
    return static_cast<element_type>(index_of(name, type_names, "-d"));
}
[[nodiscard]] inline reduction reduction_from(std::string_view name) {
    return static_cast<reduction>(index_of(name, reduction_names, "-o"));
}

} // namespace blink_perf
