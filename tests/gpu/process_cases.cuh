// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Cases of several processes, each a rank with a GPU; on a machine with fewer GPUs some share one. The program itself
/// never calls CUDA, since what is forked from it could not then.
#pragma once

#include <blink/communicator.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "process_trial.cuh"
#include "processes.hpp"

namespace gpu_test {

using namespace std::chrono_literals;

/// What every rank of a case is given.
struct seat {
    int rank = 0;
    int size = 0;
    std::string address;

    [[nodiscard]] blink::rendezvous at() const { return blink::rendezvous(address, 60s); }
    [[nodiscard]] blink::communicator join(const blink::process_options& choices = {.timeout = 30s}) const {
        return {rank, size, at(), choices};
    }
};

template <class Error, class Work>
void must_throw(const Work& work, const std::string& part) {
    try {
        work();
    } catch (const Error& e) {
        must(std::string(e.what()).find(part) != std::string::npos, std::string("threw: ") + e.what());
        return;
    }
    must(false, "nothing was thrown, expected: " + part);
}

/// What a case throws, on all ranks, that the machine has no place for.
struct not_here : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct test_case {
    const char* name;
    int ranks; ///< 0: a GPU each, at least two
    std::function<void(const seat&)> on_rank;
    int kill_after_s = 0; ///< the last rank
};

inline int visible_gpus() {
    process_test::processes one;
    return std::atoi(one.said(one.start([] { return std::to_string(blink::cuda::visible_gpus()); })).c_str());
}

/// What came of a case.
struct verdict {
    std::string wrong;   ///< empty: nothing
    std::string skipped; ///< why; empty where it ran
    int checks = 0;
};

inline verdict run(const test_case& c, int ranks, const std::string& folder) {
    process_test::processes running;
    for (int r = 0; r < ranks; ++r) {
        running.start([&, r] {
            try {
                c.on_rank({r, ranks, "file:" + folder + "/job"});
            } catch (const not_here& e) { return std::string("-") + e.what(); } catch (const std::exception& e) {
                return std::string("rank ") + std::to_string(r) + ": " + e.what();
            }
            return "+" + std::to_string(process_checks);
        });
    }
    if (c.kill_after_s > 0) {
        std::this_thread::sleep_for(std::chrono::seconds(c.kill_after_s));
        running.kill(ranks - 1);
    }
    verdict found;
    for (int r = 0; r < ranks - (c.kill_after_s > 0 ? 1 : 0); ++r) {
        const std::string said = running.said(r);
        if (said.starts_with('+')) {
            found.checks += std::atoi(said.c_str() + 1);
        } else if (said.starts_with('-')) {
            found.skipped = said.substr(1);
        } else {
            found.wrong +=
                "      " + (said.empty() ? "rank " + std::to_string(r) + " ended without a word" : said) + "\n";
        }
    }
    return found;
}

/// All cases whose names have the first argument in them; a line a case, then one of counts. The exit status of the
/// program: 77 where there is no GPU.
inline int run_cases(const std::vector<test_case>& cases, int argc, char** argv) {
    const int gpus = visible_gpus();
    if (gpus == 0) {
        std::puts("skip  processes on GPUs (no GPU is visible)");
        return 77;
    }
    std::string folder = (std::filesystem::temp_directory_path() / "blink-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) { return 1; }
    int passed = 0;
    int failed = 0;
    int skipped = 0;
    for (const test_case& c : cases) {
        if (argc > 1 && std::string(c.name).find(argv[1]) == std::string::npos) { continue; }
        const int ranks = c.ranks > 0 ? c.ranks : std::clamp(gpus, 2, 8);
        const auto begin = std::chrono::steady_clock::now();
        const verdict found = run(c, ranks, folder);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        if (found.wrong.empty() && !found.skipped.empty()) {
            ++skipped;
            std::printf("skip  %s (%s)\n", c.name, found.skipped.c_str());
            continue;
        }
        const bool good = found.wrong.empty() && found.checks > 0;
        ++(good ? passed : failed);
        std::printf("%s  %s: %d processes on %d GPUs (%.1f s, %d checks)\n%s", good ? "ok  " : "FAIL", c.name, ranks,
                    std::min(gpus, ranks), took.count(), found.checks, found.wrong.c_str());
        std::fflush(stdout);
    }
    std::filesystem::remove_all(folder);
    std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed == 0 && passed > 0 ? 0 : 1;
}

} // namespace gpu_test
