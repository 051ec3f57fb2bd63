// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Of which sizes calls are left to NCCL: as the tuning file says that the user has named, else of none.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "calls.hpp"

namespace blink::preload {

/// Sizes in bytes of the larger buffer of a rank, which all ranks know alike.
struct size_choice {
    std::size_t up_to = 0;                                      ///< shorter calls and these are NCCL's
    std::size_t from = std::numeric_limits<std::size_t>::max(); ///< these and longer ones too

    [[nodiscard]] bool is_nccls(std::size_t bytes) const noexcept {
        return bytes >= from || (bytes <= up_to && up_to > 0);
    }

    friend bool operator==(const size_choice&, const size_choice&) = default;
};

using size_choices = std::array<size_choice, call_names.size()>; ///< by `call_kind`

/// The members `nccl_up_to` and `nccl_from` of a tuning file: objects of bytes by the names of calls.
/// @throw usage_error with the file, and what is wrong in it
[[nodiscard]] inline size_choices read_size_choices(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in) { throw usage_error(file + ": this tuning file cannot be read"); }
    size_choices choices;
    const auto read = [&](const json::value& all, std::string_view member, std::size_t size_choice::*to) {
        const json::value* const found = all.find(member);
        if (found == nullptr) { return; }
        for (const auto& [name, bytes] : found->as_object()) {
            const auto at = std::ranges::find(call_names, std::string_view(name));
            if (at == call_names.end()) {
                throw usage_error(file + ": " + std::string(member) + ": unknown call '" + name + "'");
            }
            choices[static_cast<std::size_t>(at - call_names.begin())].*to =
                static_cast<std::size_t>(bytes.as_int(0, std::numeric_limits<int>::max()));
        }
    };
    try {
        const json::value all = json::parse(text);
        read(all, "nccl_up_to", &size_choice::up_to);
        read(all, "nccl_from", &size_choice::from);
    } catch (const json::format_error& e) { throw usage_error(file + ": " + e.what()); }
    return choices;
}

} // namespace blink::preload
