// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "processes.hpp"

#include <blink/core/error.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "own_folder.hpp"

namespace blink_perf {
namespace {

using clock = std::chrono::steady_clock;

[[noreturn]] void refuse(const char* what) {
    throw blink::error(std::string("--processes: ") + what + ": " + std::strerror(errno));
}

/// Processes that this one has started. None is left behind.
class children {
  public:
    children() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) { refuse("pipe2"); }
        read_ = ends[0];
        write_ = ends[1];
    }
    ~children() {
        end_all();
        for (child& c : all_) {
            if (c.runs) { (void)waitpid(c.pid, nullptr, 0); }
        }
        close(read_);
        close(write_);
    }
    children(const children&) = delete;
    children& operator=(const children&) = delete;

    void start(seat s, const std::function<int(const seat&)>& work) {
        std::cout.flush();
        const pid_t parent = getpid();
        const pid_t pid = fork();
        if (pid < 0) { refuse("fork"); }
        if (pid > 0) {
            all_.push_back({pid});
            return;
        }
        // A child ends with its parent, however that ends.
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) { _exit(1); }
        close(read_);
        s.alive = write_;
        int status = 1;
        try {
            status = work(s);
        } catch (const std::exception& e) { std::cerr << "blink-perf: rank " << s.rank << ": " << e.what() << "\n"; }
        std::cout.flush();
        _exit(status); // what the parent has made is the parent's to clean up
    }

    /// Waits for news for a short while; true where a process got on.
    bool heard() {
        pollfd p{read_, POLLIN, 0};
        if (poll(&p, 1, 20) <= 0) { return false; }
        std::array<char, 256> ignored{};
        return read(read_, ignored.data(), ignored.size()) > 0;
    }

    /// Collects who has ended. `failed(rank, status)` hears of all that did not end well.
    /// @return how many still run
    template <class Failed>
    int collect(const Failed& failed) {
        int left = 0;
        for (std::size_t r = 0; r < all_.size(); ++r) {
            if (!all_[r].runs) { continue; }
            int status = 0;
            if (waitpid(all_[r].pid, &status, WNOHANG) != all_[r].pid) {
                ++left;
                continue;
            }
            all_[r].runs = false;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) { failed(static_cast<int>(r), status); }
        }
        return left;
    }

    void end_all() const {
        for (const child& c : all_) {
            if (c.runs) { (void)kill(c.pid, SIGKILL); }
        }
    }

  private:
    struct child {
        pid_t pid = 0;
        bool runs = true;
    };
    int read_ = -1;
    int write_ = -1;
    std::vector<child> all_;
};

} // namespace

void seat::got_on() const {
    const char beat = '.';
    if (alive >= 0 && write(alive, &beat, 1) < 0) { /* who waits has gone, and this process goes with it */
    }
}

int run_processes(int count, std::chrono::milliseconds patience, const std::function<int(const seat&)>& work,
                  std::chrono::milliseconds grace) {
    const own_folder folder;
    children all;
    for (int r = 0; r < count; ++r) { all.start({r, count, folder.path(), -1}, work); }
    int result = 0;
    bool ended = false; // by us
    auto deadline = clock::now() + patience;
    for (;;) {
        const int left = all.collect([&](int rank, int status) {
            if (!ended && WIFSIGNALED(status)) {
                std::cerr << "blink-perf: rank " << rank << "'s process was ended by signal " << WTERMSIG(status)
                          << " (" << strsignal(WTERMSIG(status)) << ")\n";
            }
            if (result != 0) { return; }
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            deadline = clock::now() + grace;
        });
        if (left == 0) { return result; }
        if (all.heard() && result == 0) { deadline = clock::now() + patience; }
        if (!ended && clock::now() >= deadline) {
            if (result == 0) {
                std::cerr << "blink-perf: no rank got on for " << std::chrono::duration<double>(patience).count()
                          << " s; all processes were ended\n";
                result = 1;
            }
            ended = true;
            all.end_all();
        }
    }
}

int asked_apart(const std::function<int()>& ask) {
    std::cout.flush();
    const pid_t pid = fork();
    if (pid < 0) { refuse("fork"); }
    if (pid == 0) {
        int answer = 255;
        try {
            answer = ask();
        } catch (const std::exception&) { answer = 255; }
        _exit(answer);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 255) { return -1; }
    return WEXITSTATUS(status);
}

} // namespace blink_perf
