// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the library tells its user, on the standard error, a line at a time.
#pragma once

#include <string>

namespace blink::preload::log {

/// BLINK_DEBUG: `none`, `warn` (what is wrong; without the variable), or `info` (the path of each call besides).
enum class level : unsigned char { none, warn, info };

void set_level(level l) noexcept;
[[nodiscard]] bool tells_info() noexcept;

/// Something that the user should mend. Several lines may be one text.
void problem(const std::string& text);
/// The same, but for what has been said before.
void problem_once(const std::string& text);
void info(const std::string& text);

} // namespace blink::preload::log
