// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "log.hpp"

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <set>
#include <string_view>

namespace blink::preload::log {

namespace {

std::atomic<level>& current() {
    static std::atomic<level> l{level::warn};
    return l;
}

/// One call of the C library for the whole text, so that lines of several threads stay apart.
void write(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines += "blink: " + std::string(text.substr(0, end)) + "\n";
        text = end == std::string_view::npos ? "" : text.substr(end + 1);
    }
    (void)std::fwrite(lines.data(), 1, lines.size(), stderr);
}

} // namespace

void set_level(level l) noexcept { current() = l; }
bool tells_info() noexcept { return current() == level::info; }

void problem(const std::string& text) {
    if (current() != level::none) { write(text); }
}

void problem_once(const std::string& text) {
    static auto& guard = *new std::mutex;
    static auto& said = *new std::set<std::string>;
    {
        const std::lock_guard lock(guard);
        if (!said.insert(text).second) { return; }
    }
    problem(text);
}

void info(const std::string& text) {
    if (tells_info()) { write(text); }
}

} // namespace blink::preload::log
