// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/protocol.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "options.hpp"
#include "own_folder.hpp"
#include "tune_processes.hpp"

using namespace blink_perf;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

/// What blink-perf reads in a command line.
options read_back(const std::vector<std::string>& command) {
    std::vector<const char*> words;
    for (const std::string& word : command) { words.push_back(word.c_str()); }
    return std::get<options>(parse_options(static_cast<int>(words.size()), words.data()));
}

/// A program that stands in for blink-perf.
std::string script(const own_folder& in, const std::string& text) {
    std::string path = in.path() + "/program";
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
}

const tuning_point point{.bytes = 512 * mib,
                         .how = blink::protocol::automatic,
                         .in_graphs = true,
                         .in_processes = true,
                         .tuned = {.host_share_beside_kernels = 77}};

} // namespace

TEST_CASE("the command asks blink-perf for the point, on the machine that was asked for") {
    options asked;
    asked.topology = "dgx1v";
    asked.gpus = {1, 4};
    asked.warmup = 3;
    asked.iterations = 0;
    options read = read_back(command_in_processes(asked, 2, point));
    CHECK(read.processes);
    CHECK(read.kind == blink::collective::allreduce);
    CHECK(read.min_bytes == 512 * mib);
    CHECK(read.max_bytes == 512 * mib);
    CHECK(read.how == blink::protocol::automatic);
    CHECK(read.ranks == 2);
    CHECK(read.gpus == asked.gpus);
    CHECK(read.topology == "dgx1v");
    CHECK(read.warmup == 3);
    CHECK(read.iterations == 20); // as many as `-n auto` makes of it
    CHECK(read.graphs == 10);
    CHECK(read.check);
    CHECK(read.registered);

    asked.iterations = 7;
    asked.check = false;
    asked.registered = false;
    tuning_point other = point;
    other.in_graphs = false;
    other.kind = blink::collective::broadcast;
    other.how = blink::protocol::copies;
    other.blocks = 8;
    other.chunk_bytes = 4096;
    read = read_back(command_in_processes(asked, 2, other));
    CHECK(read.kind == blink::collective::broadcast);
    CHECK(read.how == blink::protocol::copies);
    CHECK(read.iterations == 7);
    CHECK(read.graphs == 0);
    CHECK(read.blocks == 8);
    CHECK(read.chunk == 4096);
    CHECK_FALSE(read.check);
    CHECK_FALSE(read.registered);
}

TEST_CASE("the time is the one that blink-perf writes, for the tuning that it was given") {
    const own_folder here;
    const std::string kept = here.path() + "/kept";
    const std::string program = script(here, R"(while [ $# -gt 1 ]; do
    if [ "$1" = --tuning ]; then cp "$2" )" + kept +
                                                 R"(; fi
    if [ "$1" = --json ]; then echo '{"results": [{"out_of_place": {"time": 12.5}}]}' >"$2"; fi
    shift
done)");
    CHECK(seconds_in_processes({}, 2, point, program) == doctest::Approx(12.5e-6));
    std::ifstream file(kept);
    const std::string tuning{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    CHECK(tuning.find("\"host_share_beside_kernels\": 77") != std::string::npos);
}

TEST_CASE("processes that do not end well, or cannot start, take no time") {
    const own_folder here;
    CHECK(seconds_in_processes({}, 2, point, script(here, "exit 3")) < 0);
    CHECK(seconds_in_processes({}, 2, point, script(here, "kill -9 $$")) < 0);
    CHECK(seconds_in_processes({}, 2, point, here.path() + "/nothing") < 0);
}
