// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "csv_main.hpp"

namespace {

constexpr const char* path = "test_csv_main.csv";

/// Exit status of a benchmark that writes the size it is given.
int run(std::vector<std::string> words, std::size_t default_mib, bool ready = true) {
    words.insert(words.begin(), "benchmark");
    std::vector<char*> argv;
    for (std::string& w : words) { argv.push_back(w.data()); }
    return blink_paper::csv_main(
        static_cast<int>(argv.size()), argv.data(), {"bytes", default_mib},
        [](std::ostream& csv, std::size_t largest) { csv << largest << '\n'; }, [ready] { return ready; });
}

std::string written() {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    (void)std::remove(path);
    return text.str();
}

} // namespace

TEST_CASE("a benchmark writes its header and what it finds, up to the size that is given") {
    CHECK(run({path}, 500) == 0);
    CHECK(written() == "bytes\n524288000\n");
    CHECK(run({path, "3"}, 500) == 0);
    CHECK(written() == "bytes\n3145728\n");
}

TEST_CASE("other command lines, no GPU and files that cannot be written have their exit status") {
    CHECK(run({}, 500) == 2);
    CHECK(run({path, "3", "4"}, 500) == 2);
    CHECK(run({path, "3"}, 0) == 2);
    CHECK(run({path}, 500, false) == 77);
    CHECK(run({path, "0"}, 500) == 1);
    CHECK(run({path, "many"}, 500) == 1);
    CHECK(run({"no/such/folder.csv"}, 500) == 1);
    CHECK_FALSE(std::ifstream(path).good());
}
