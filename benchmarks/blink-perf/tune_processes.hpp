// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A measurement between processes for the tuning: by this program once more, since who has called CUDA cannot start
/// processes that do.
#pragma once

#include <string>
#include <vector>

#include "tune.hpp"

namespace blink_perf {

struct options;

/// The command line for that, but for the files: of the tuning, and of the results.
/// @param asked the machine, and how often calls are repeated
[[nodiscard]] std::vector<std::string> command_in_processes(const options& asked, int ranks, const tuning_point& p);

/// Seconds of one call of `p` among `ranks` processes, a GPU each; negative where they do not end well.
/// @param program file of blink-perf
[[nodiscard]] double seconds_in_processes(const options& asked, int ranks, const tuning_point& p,
                                          const std::string& program = "/proc/self/exe");

} // namespace blink_perf
