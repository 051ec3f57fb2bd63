// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The error of every reader of text: the line, what stands there and what was expected.
#pragma once

#include <blink/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace blink {

/// Text that is not of its format, or of another shape than expected.
class format_error : public error {
  public:
    format_error(int line, const std::string& found_and_expected)
        : error("line " + std::to_string(line) + ": " + found_and_expected), line_(line), what_(found_and_expected) {}

    [[nodiscard]] int line() const noexcept { return line_; }
    /// The message without the line.
    [[nodiscard]] const std::string& found_and_expected() const noexcept { return what_; }

  private:
    int line_;
    std::string what_;
};

namespace detail {

/// Throws what is wrong with the character at `at`, or with the end of the text.
[[noreturn]] inline void throw_unexpected(std::string_view text, std::size_t at, int line,
                                          const std::string& expected) {
    std::string found = "the end of the text";
    if (at < text.size()) {
        const char c = text[at];
        const bool shown = c >= 0x20 && c < 0x7f;
        found = shown ? "'" + std::string(1, c) + "'"
                      : "byte " + std::to_string(static_cast<int>(static_cast<unsigned char>(c)));
    }
    throw format_error(line, "found " + found + ", expected " + expected);
}

} // namespace detail

} // namespace blink
