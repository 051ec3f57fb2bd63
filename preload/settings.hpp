// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The environment variables of the library.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <string>

#include "calls.hpp"
#include "log.hpp"
#include "size_choice.hpp"

namespace blink::preload {

/// What the user has chosen. A wrong value gives a message and the default.
struct settings {
    /// BLINK_DEBUG: `none`, `warn` or `info`.
    log::level debug = log::level::warn;
    /// BLINK_DISABLE: `1` for all, `0` for none, or calls by name (`allreduce,broadcast`), which go to NCCL.
    std::array<bool, call_names.size()> disabled{};
    /// BLINK_TOPO_FILE: a machine by name, or a file with a topology, instead of what the probe finds.
    std::string topology_file;
    /// BLINK_PLAN_DUMP_FILE: each plan is written there once it is made, as JSON, a plan a line.
    std::string plan_file;
    /// BLINK_TIMEOUT_MS: how long a rank waits for another one in a collective; a day at most. The default is that of
    /// PyTorch's watchdog for NCCL.
    std::chrono::milliseconds timeout{600'000};
    /// BLINK_TUNING_FILE: how calls run that leave it open, as `blink-perf --tune` writes it.
    std::string tuning_file;
    /// Of which sizes calls go to NCCL, from the same file.
    size_choices sizes{};
    /// BLINK_RENDEZVOUS_DIR, else TMPDIR: where the processes of a communicator find each other.
    std::string rendezvous_folder = "/tmp";
    /// BLINK_RENDEZVOUS_MS: how long a new communicator waits for the ranks in other processes to answer.
    std::chrono::milliseconds rendezvous_timeout{10'000};
    /// The launcher says that the job has several machines; then no communicator of several processes is Blink's.
    bool several_machines = false;
};

/// Looks a variable up: its value, or null where it is not set.
using variable_lookup = std::function<const char*(const char* name)>;

/// @param tell is given a message for each wrong value
[[nodiscard]] settings read_settings(const variable_lookup& lookup,
                                     const std::function<void(const std::string&)>& tell);

} // namespace blink::preload
