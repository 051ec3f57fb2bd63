// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the user asks of blink-perf.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "moves.hpp"
#include "types.hpp"

namespace blink_perf {

enum class executor : unsigned char { automatic, cuda, host, simulate };

/// As a number of replays: as many as `-n auto` makes of an executor's graphs, where it has graphs.
inline constexpr int automatic_replays = -1;

struct options {
    blink::collective kind = blink::collective::allreduce;
    movement moves = movement::none; ///< where not none, what is measured in place of `kind`
    std::size_t min_bytes = 32U << 20;
    std::size_t max_bytes = 32U << 20;
    double factor = 0;                 ///< from size to size; 0: by `step_bytes`
    std::size_t step_bytes = 1U << 20; ///< where no factor is given
    int ranks = 0;                     ///< 0: all that there are
    int iterations = 20;               ///< 0: as `automatic_calls` says for each size
    int warmup = 1;
    bool check = true;
    std::vector<element_type> types{element_type::float32}; ///< empty: all that the executor carries
    std::vector<reduction> operators{reduction::sum};
    int root = 0; ///< -1: each in turn
    int graphs = 0;
    bool blocking = false;
    double deadline_seconds = 0; ///< 0: the executor's own
    executor run_on = executor::automatic;
    std::string topology;    ///< empty: what the executor finds
    std::vector<int> gpus;   ///< of the topology; empty: the first ones
    std::vector<int> relays; ///< GPUs of the topology that take no part and may forward
    int virtual_ranks = 0;   ///< ranks that share a GPU; 0: one rank a GPU
    std::size_t chunk = 0;   ///< bytes; 0: the executor chooses
    blink::protocol how = blink::protocol::automatic;
    bool registered = true;       ///< ranks store into each other's buffers
    int blocks = 0;               ///< thread blocks a rank may use on a GPU; 0: by measurement
    bool emulate = false;         ///< pace virtual ranks to the topology's links
    double link_scale = 1;        ///< of the rate of every emulated link
    bool processes = false;       ///< one process a GPU
    bool compare_nccl = false;    ///< measure NCCL in turn
    bool compare_windows = false; ///< and NCCL with buffers in symmetric windows
    std::string tuning;           ///< file that says how GPUs run what is left open; empty: built in
    std::string tune;             ///< file for what this machine should use; empty: measure what was asked for instead
    std::optional<blink::tuning> trial; ///< of `--tune`: in place of the file's, and shares over the host stay
    std::string json;                   ///< file
};

/// The text that `--help` asked for.
struct help_text {
    std::string text;
};

/// Reads the command line.
/// @throw blink::usage_error for what cannot be meant, and, by name, for what is not built yet
[[nodiscard]] std::variant<options, help_text> parse_options(int argc, const char* const* argv);

/// The sizes to measure, ascending.
[[nodiscard]] std::vector<std::size_t> sizes(const options& o);

/// The name that nccl-tests gives a collective.
[[nodiscard]] std::string nccl_name(blink::collective kind);
/// The name of what is measured.
[[nodiscard]] std::string nccl_name(const options& o);

} // namespace blink_perf
