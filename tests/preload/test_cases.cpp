// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "cases.hpp"

extern "C" const char* ncclGetLastError(communicator*) { return "words of NCCL"; }

using namespace preload_test;
using namespace std::chrono_literals;

namespace {

/// How a process of its own ends that does this, and what it prints.
std::pair<int, std::string> in_process(const std::function<void()>& what) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::fflush(stdout);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        failures = 0;
        case_limit = 1s;
        what();
        std::fflush(stdout);
        std::_Exit(failures);
    }
    close(ends[1]);
    std::string printed;
    char buffer[256];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
        printed.append(buffer, static_cast<std::size_t>(n));
    }
    close(ends[0]);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, printed};
}

} // namespace

TEST_CASE("a case is named before it begins, and ends the program where it takes too long") {
    const auto [status, printed] = in_process([] {
        attempt("one that ends", [] { return true; });
        attempt("one that is wrong", [] { return false; });
        attempt("one that hangs", [] { return std::this_thread::sleep_for(1h), true; });
        attempt("one that never begins", [] { return true; });
    });
    CHECK(status == too_slow);
    CHECK(printed == "...   one that ends\nok    one that ends\n...   one that is wrong\nFAIL  one that is wrong\n"
                     "...   one that hangs\nSLOW  one that hangs: not done within 1 s\n");
}

TEST_CASE("of several ranks the first one tells, and those on which something is wrong") {
    const auto told_by = [](int rank, bool right) {
        return in_process([&] {
            own_rank = rank;
            attempt("a case", [&] { return right; });
        });
    };
    CHECK(told_by(0, true) == std::pair(0, std::string("...   rank 0: a case\nok    rank 0: a case\n")));
    CHECK(told_by(1, true) == std::pair(0, std::string()));
    CHECK(told_by(1, false) == std::pair(1, std::string("FAIL  rank 1: a case\n")));
}

TEST_CASE("a call that fails ends the program") {
    const auto [status, printed] = in_process([] {
        check("ncclSend", success);
        check("ncclRecv", invalid_argument);
        check("ncclSend", invalid_usage);
    });
    CHECK(status == 1);
    CHECK(printed == "ncclRecv: status 4 (words of NCCL)\n");
}
