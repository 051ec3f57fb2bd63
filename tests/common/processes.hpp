// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Real processes, one a rank: each runs a function and hands back a line of text.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <poll.h>
#include <signal.h>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace process_test {

/// Processes forked from this one. Whatever still runs when this goes is killed.
class processes {
  public:
    processes() = default;
    processes(const processes&) = delete;
    processes& operator=(const processes&) = delete;
    ~processes() {
        for (const child& c : children_) {
            if (c.pid > 0) { reap(c.pid, true); }
            if (c.says >= 0) { (void)::close(c.says); }
        }
    }

    /// Starts a process that runs `work`, which returns what `said` then gives.
    template <class Work>
    int start(const Work& work) {
        int ends[2] = {-1, -1};
        if (::pipe(ends) != 0) { std::abort(); }
        const pid_t pid = ::fork();
        if (pid < 0) { std::abort(); }
        if (pid == 0) {
            (void)::close(ends[0]);
            std::string text;
            try {
                text = work();
            } catch (const std::exception& e) { text = std::string("uncaught: ") + e.what(); }
            (void)!::write(ends[1], text.data(), text.size());
            ::_exit(0);
        }
        (void)::close(ends[1]);
        children_.push_back({pid, ends[0]});
        return static_cast<int>(children_.size()) - 1;
    }

    /// Ends the process as nothing can prevent.
    void kill(int number) {
        child& c = at(number);
        reap(c.pid, true);
        c.pid = 0;
    }

    /// What the process returned. Waits for its end; after `patience` it is killed, and the text says so.
    [[nodiscard]] std::string said(int number, std::chrono::milliseconds patience = std::chrono::seconds{120}) {
        child& c = at(number);
        std::string text;
        char buffer[4096];
        const auto end = std::chrono::steady_clock::now() + patience;
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            pollfd p{c.says, POLLIN, 0};
            if (::poll(&p, 1, std::max(0, static_cast<int>(left.count()))) == 0) {
                kill(number);
                return text + "(hung)";
            }
            const ssize_t n = ::read(c.says, buffer, sizeof buffer);
            if (n == 0) { break; }
            if (n > 0) { text.append(buffer, static_cast<std::size_t>(n)); }
        }
        if (c.pid > 0) { reap(std::exchange(c.pid, 0), false); }
        return text;
    }

  private:
    struct child {
        pid_t pid;
        int says;
    };

    child& at(int number) { return children_.at(static_cast<std::size_t>(number)); }

    static void reap(pid_t pid, bool by_force) {
        if (by_force) { (void)::kill(pid, SIGKILL); }
        int status = 0;
        (void)::waitpid(pid, &status, 0);
    }

    std::vector<child> children_;
};

/// A point that processes reach, for one that waits until some of them have; made before they are started.
class milestone {
  public:
    milestone() {
        if (::pipe(ends_) != 0) { std::abort(); }
    }
    milestone(const milestone&) = delete;
    milestone& operator=(const milestone&) = delete;
    ~milestone() {
        for (const int end : ends_) { (void)::close(end); }
    }

    void reach() const { (void)!::write(ends_[1], "", 1); }

    /// True once `count` processes have reached it; false where they did not within `patience`.
    [[nodiscard]] bool wait_for(int count, std::chrono::milliseconds patience = std::chrono::seconds{60}) const {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (count > 0) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            pollfd p{ends_[0], POLLIN, 0};
            char byte = 0;
            if (::poll(&p, 1, std::max(0, static_cast<int>(left.count()))) == 0) { return false; }
            if (::read(ends_[0], &byte, 1) == 1) { --count; }
        }
        return true;
    }

  private:
    int ends_[2] = {-1, -1};
};

/// "expected: " and the text of what `work` throws; "fine" where it does not throw.
template <class Error, class Work>
[[nodiscard]] std::string outcome(const Work& work) {
    try {
        work();
        return "fine";
    } catch (const Error& e) { return std::string("expected: ") + e.what(); }
}

} // namespace process_test
