// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tune_processes.hpp"

#include <blink/core/json.hpp>
#include <blink/core/tuning_file.hpp>

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "options.hpp"
#include "own_folder.hpp"
#include "tune_repeats.hpp"

namespace blink_perf {

namespace {

/// Runs a program whose output nobody reads; its exit status, negative where it could not start or was ended.
int run_quietly(const std::string& program, std::vector<std::string> command) {
    std::vector<char*> words;
    for (std::string& word : command) { words.push_back(word.data()); }
    words.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    const int refused = posix_spawn(&pid, program.c_str(), &quiet, nullptr, words.data(), environ);
    posix_spawn_file_actions_destroy(&quiet);
    int status = 0;
    return refused == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

std::vector<std::string> command_in_processes(const options& asked, int ranks, const tuning_point& p) {
    const std::string bytes = std::to_string(p.bytes);
    const repeats often = repeats_of(asked, p);
    std::vector<std::string> command{"blink-perf", nccl_name(p.kind), "--processes"};
    const auto add = [&](const std::string& name, const std::string& value) {
        command.insert(command.end(), {name, value});
    };
    add("-g", std::to_string(ranks));
    add("-b", bytes);
    add("-e", bytes);
    add("-n", std::to_string(often.calls));
    add("-w", std::to_string(asked.warmup));
    add("-c", asked.check ? "1" : "0");
    add("-G", std::to_string(often.graphs));
    add("--registered", asked.registered ? "1" : "0");
    add("--protocol", std::string(to_string(p.how)));
    add("--blocks", std::to_string(p.blocks));
    if (p.chunk_bytes > 0) { add("--chunk", std::to_string(p.chunk_bytes)); }
    if (!asked.topology.empty()) { add("--topology", asked.topology); }
    std::string gpus;
    for (const int g : asked.gpus) { gpus += (gpus.empty() ? "" : ",") + std::to_string(g); }
    if (!gpus.empty()) { add("--ranks", gpus); }
    if (asked.deadline_seconds > 0) { add("-T", std::to_string(asked.deadline_seconds)); }
    return command;
}

double seconds_in_processes(const options& asked, int ranks, const tuning_point& p, const std::string& program) {
    const own_folder folder;
    const std::string tuning = folder.path() + "/tuning.json";
    const std::string results = folder.path() + "/results.json";
    std::ofstream(tuning) << blink::to_json(p.tuned).dump(2) << "\n";
    std::vector<std::string> command = command_in_processes(asked, ranks, p);
    command.insert(command.end(), {"--tuning", tuning, "--json", results});
    if (run_quietly(program, std::move(command)) != 0) { return -1; } // fast and wrong is no choice either
    std::ifstream file(results);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return blink::json::parse(text).at("results").as_array().front().at("out_of_place").at("time").as_number() * 1e-6;
}

} // namespace blink_perf
