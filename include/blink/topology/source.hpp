// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A machine by the word that a user says to a tool: `probe`, a name, or a file.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/read.hpp>
#include <blink/topology/topology.hpp>

#include <filesystem>
#include <iostream>
#include <string>

namespace blink {

/// @param source `probe` for this machine's GPUs; `-` for a text on the standard input; else as `load_topology`: the
///     name of a machine, or a file with Blink's topology JSON, NCCL's topology XML or the output of `nvidia-smi topo
///     -m`
/// @throw topology_error where there is no such thing, or it cannot be read
[[nodiscard]] inline topology topology_from(const std::string& source) {
    if (source == "probe") { return probe(); }
    if (source == "-") { return read_topology(std::cin, "standard input"); }
    std::error_code unknown;
    if (std::filesystem::is_directory(source, unknown)) {
        throw topology_error(source, 1, "found a directory, expected a file");
    }
    return load_topology(source);
}

} // namespace blink
