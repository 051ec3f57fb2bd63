// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/rendezvous.hpp>
#include <blink/core/error.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

#include "company.hpp"
#include "processes.hpp"

using blink_perf::run_processes;
using blink_perf::seat;
using namespace std::chrono_literals;

namespace {

/// Seconds that `work` takes.
template <class Work>
double seconds(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace

TEST_CASE("processes meet, count together, and end well") {
    CHECK(run_processes(3, 30s, [](const seat& s) {
              const blink_perf::company others(blink::rendezvous(s.address("tool"), 20s).meet(s.rank, s.size));
              const auto told = others.exchange(std::to_string(10 * s.rank));
              const bool right = told == std::vector<std::string>{"0", "10", "20"} && others.sum(7) == 21;
              s.got_on();
              return right && !others.alone() ? 0 : 5;
          }) == 0);
}

TEST_CASE("one process is its own company") {
    const blink_perf::company alone;
    CHECK(alone.alone());
    CHECK(alone.exchange("word") == std::vector<std::string>{"word"});
    CHECK(alone.sum(7) == 7);
}

TEST_CASE("the folder of a run is the same for all, and gone behind it") {
    const auto before = std::filesystem::temp_directory_path() / ("blink-perf-test-" + std::to_string(getpid()));
    CHECK(run_processes(1, 30s, [&](const seat& s) {
              std::filesystem::create_symlink(s.folder, before);
              return std::filesystem::is_directory(s.folder) ? 0 : 1;
          }) == 0);
    const auto folder = std::filesystem::read_symlink(before);
    std::filesystem::remove(before);
    CHECK(folder.filename().string().starts_with("blink-perf-"));
    CHECK_FALSE(std::filesystem::exists(folder));
}

TEST_CASE("the status is that of the process that fails first, and the others are not waited for") {
    int status = 0;
    const double took = seconds([&] {
        status = run_processes(
            3, 60s,
            [](const seat& s) {
                if (s.rank == 1) { return 2; }
                std::this_thread::sleep_for(60s);
                return 0;
            },
            200ms);
    });
    CHECK(status == 2);
    CHECK(took < 20);
}

TEST_CASE("an exception is a failure") {
    CHECK(run_processes(1, 30s, [](const seat&) -> int { throw std::runtime_error("no"); }) == 1);
}

TEST_CASE("a process that is killed is an error, and the rest ends") {
    int status = 0;
    const double took = seconds([&] {
        status = run_processes(
            2, 60s,
            [](const seat& s) {
                if (s.rank == 1) { (void)std::raise(SIGKILL); }
                std::this_thread::sleep_for(60s);
                return 0;
            },
            200ms);
    });
    CHECK(status == 1);
    CHECK(took < 20);
}

TEST_CASE("silence ends a run, getting on does not") {
    int status = 0;
    const double took = seconds([&] {
        status = run_processes(2, 300ms, [](const seat&) {
            std::this_thread::sleep_for(60s);
            return 0;
        });
    });
    CHECK(status == 1);
    CHECK(took < 20);
    CHECK(run_processes(2, 2s, [](const seat& s) {
              for (int i = 0; i < 15; ++i) {
                  std::this_thread::sleep_for(200ms);
                  if (s.rank == 1) { s.got_on(); }
              }
              return 0;
          }) == 0);
}

TEST_CASE("a rank that waits for one that has ended hears of it") {
    CHECK(run_processes(2, 60s, [](const seat& s) {
              const blink_perf::company others(blink::rendezvous(s.address("tool"), 20s).meet(s.rank, s.size));
              if (s.rank == 1) { _exit(0); }
              try {
                  others.gather();
              } catch (const blink::peer_lost_error&) { return 0; }
              return 3;
          }) == 0);
}

TEST_CASE("what is asked apart leaves this process as it is") {
    int asked = 0;
    CHECK(blink_perf::asked_apart([&] { return ++asked + 7; }) == 8);
    CHECK(asked == 0);
    CHECK(blink_perf::asked_apart([]() -> int { throw std::runtime_error("no"); }) == -1);
}
