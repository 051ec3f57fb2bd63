// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Stands in for libFuzzer: gives a fuzz target each file of a folder, and copies of it with damages that are the same
/// in every run.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>

#include "fuzz.hpp"

namespace {

void give(const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

/// Changes, removes or repeats a few bytes.
std::string damaged(std::string text, std::mt19937& random) {
    for (auto n = 1 + random() % 3; n > 0 && !text.empty(); --n) {
        const std::size_t at = random() % text.size();
        const std::size_t length = 1 + random() % 16;
        switch (random() % 4) {
        case 0:
            text[at] = static_cast<char>(random() % 256);
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            text.insert(at, text.substr(random() % text.size(), length));
            break;
        default:
            text[at] = "0123456789-.e\"<>[]{}, \n"[random() % 23];
        }
    }
    return text;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    std::set<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) { paths.insert(entry.path().string()); }
    std::mt19937 random{20200302};
    constexpr int copies = 200;
    for (const std::string& path : paths) {
        std::ifstream in(path, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
        give(text);
        for (int i = 0; i < copies; ++i) { give(damaged(text, random)); }
    }
    std::printf("%zu files, %d damaged copies of each\n", paths.size(), copies);
    return paths.empty() ? 1 : 0;
}
