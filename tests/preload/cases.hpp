// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The cases of a test program on NCCL's interface: each is named before it begins, told of when it has ended, and ends
/// the program where it takes too long, so that one that hangs has a name.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "nccl_calls.hpp"

namespace preload_test {

/// This process's rank, where it has one of several; else it has all.
inline int own_rank = -1;
inline int failures = 0;

inline std::chrono::seconds case_limit{20};
inline constexpr int too_slow = 3; ///< status of the program then

[[nodiscard]] inline std::string who() { return own_rank < 0 ? "" : "rank " + std::to_string(own_rank) + ": "; }

/// Ends the process where a call has failed; other ranks hear of that.
inline void check(const char* what, int status) {
    if (status == 0) { return; }
    std::printf("%s%s: status %d (%s)\n", who().c_str(), what, status, ncclGetLastError(nullptr));
    std::fflush(stdout);
    std::_Exit(1);
}

/// Of several ranks the first one tells, and those on which something is wrong.
inline void tell(const std::string& name, bool right) {
    failures += right ? 0 : 1;
    if (right && own_rank > 0) { return; }
    std::printf("%s  %s%s\n", right ? "ok  " : "FAIL", who().c_str(), name.c_str());
    std::fflush(stdout);
}

/// Ends the process with status `too_slow` unless it goes out of scope within the limit.
class time_limit {
  public:
    explicit time_limit(const std::string& name, std::chrono::seconds limit = case_limit)
        : watch_([this, name, limit] {
              std::unique_lock lock(guard_);
              if (ended_.wait_for(lock, limit, [this] { return done_; })) { return; }
              std::printf("SLOW  %s%s: not done within %lld s\n", who().c_str(), name.c_str(),
                          static_cast<long long>(limit.count()));
              std::fflush(stdout);
              std::_Exit(too_slow);
          }) {}
    ~time_limit() {
        {
            const std::lock_guard lock(guard_);
            done_ = true;
        }
        ended_.notify_one();
        watch_.join();
    }
    time_limit(const time_limit&) = delete;
    time_limit& operator=(const time_limit&) = delete;

  private:
    std::mutex guard_;
    std::condition_variable ended_;
    bool done_ = false;
    std::thread watch_; ///< last, as it uses the others
};

/// Runs `is_right()`, and tells what came of it.
template <class Case>
void attempt(const std::string& name, const Case& is_right) {
    if (own_rank <= 0) {
        std::printf("...   %s%s\n", who().c_str(), name.c_str());
        std::fflush(stdout);
    }
    const time_limit within(name);
    tell(name, is_right());
}

} // namespace preload_test
