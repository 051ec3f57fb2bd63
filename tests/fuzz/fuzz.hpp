// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What holds for every reader: a text is read, or refused with the file, a line of it, and what was expected; and what
/// was read survives being written and read again. Anything else ends the program, which is what a fuzzer looks for.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/topology.hpp>
#include <blink/topology/write_json.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

inline constexpr std::string_view file = "fuzz";

inline void need(bool condition, const std::string& what) {
    if (condition) { return; }
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
}

/// A message of the form fuzz:LINE: WORDS, with a line that the text has.
inline void check_message(std::string_view message, std::string_view text, bool says_expected) {
    int line = 0;
    const bool named = message.starts_with("fuzz:");
    if (named) { std::from_chars(message.data() + 5, message.data() + message.size(), line); }
    const auto lines = std::ranges::count(text, '\n') + 1;
    need(named && line >= 1 && line <= lines, "no file and line in: " + std::string(message));
    need(!says_expected || message.find("expected") != std::string_view::npos,
         "nothing was expected: " + std::string(message));
}

/// Reads the text as `read` does; `Error` is the only way to refuse it.
template <class Error, class Read, class Then>
int read_or_refuse(const std::uint8_t* data, std::size_t size, bool says_expected, Read read, Then then) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    try {
        then(read(text));
    } catch (const Error& e) { check_message(e.what(), text, says_expected); }
    return 0;
}

/// A topology that was read is one that can be written and read again.
inline void check_topology(const blink::topology& t) {
    need(t.gpu_count() >= 1, "no GPUs");
    need(blink::read_json(blink::write_json(t), "written").vertex_count() == t.vertex_count(), "another topology");
}

} // namespace fuzz
