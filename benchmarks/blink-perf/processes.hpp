// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// `blink-perf --processes`: one process a rank, and one that waits for them.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace blink_perf {

/// The place of one process among those of a run.
struct seat {
    int rank = 0;
    int size = 1;
    std::string folder;  ///< for the files by which the processes meet; the same for all, gone after the run
    int alive = -1;      ///< descriptor that `got_on` writes to
    void got_on() const; ///< tells who waits that this process is not stuck
    [[nodiscard]] std::string address(const std::string& name) const { return "file:" + folder + "/" + name; }
};

/// Runs `work(seat)` in a process of its own for each of `count` ranks, and waits for all. The caller must not have
/// used CUDA. A process that ends with another status than 0 ends the others: they have some seconds to notice by
/// themselves. So does silence: where no process calls `got_on` for `patience`, all are ended.
/// @param grace how long the others may take to end after the first one has failed
/// @return 0; else the status of the process that failed first, or 1 where it was ended by a signal or by silence, of
///         which a line on the standard error output tells
[[nodiscard]] int run_processes(int count, std::chrono::milliseconds patience,
                                const std::function<int(const seat&)>& work,
                                std::chrono::milliseconds grace = std::chrono::seconds{10});

/// What `ask()` gives, 0..254, asked in a process of its own so that this one stays as it is; -1 where it fails.
[[nodiscard]] int asked_apart(const std::function<int()>& ask);

} // namespace blink_perf
