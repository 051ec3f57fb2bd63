// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which Blink this is, for the preprocessor and for programs. A test holds it against the build's version.
#pragma once

#include <string_view>

#define BLINK_VERSION_MAJOR 0
#define BLINK_VERSION_MINOR 1
#define BLINK_VERSION_PATCH 0

namespace blink {

inline constexpr std::string_view version = "0.1.0";

} // namespace blink
