// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the user asks of blink-plan.
#pragma once

#include <blink/plan.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace blink_plan {

enum class output_format : unsigned char { text, json, dot, svg, nccl_xml, msccl, mscclpp };

/// Wires between two vertices of the machine that are gone.
struct lost_wires {
    int a = 0;
    int b = 0;
    int count = 0; ///< 0: all
};

struct options {
    std::string topology = "probe"; ///< `probe`, a machine's name, a file, or `-` for the standard input
    std::vector<int> ranks;         ///< GPUs of the machine; empty: all
    blink::collective kind = blink::collective::allreduce;
    bool every_relay = false; ///< every GPU that takes no part may forward
    std::optional<int> root;  ///< a GPU of the machine; none: the best one
    blink::plan_options planning;
    std::optional<std::size_t> simulate; ///< bytes
    bool dial = false;                   ///< the settings of rate against trees, side by side
    std::optional<int> advise;           ///< how many of the ranks to choose
    std::vector<lost_wires> without;     ///< the plan is repaired for these losses
    output_format format = output_format::text;
    std::string output; ///< file; empty: the standard output
};

/// The text that `--help` or `--version` asked for.
struct help_text {
    std::string text;
};

/// Reads the command line.
/// @throw blink::usage_error for what cannot be meant, and, by name, for what is not built yet
[[nodiscard]] std::variant<options, help_text> parse_options(int argc, const char* const* argv);

} // namespace blink_plan
