// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A machine by the word that a user says: `probe`, a name, or a file.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/machines.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/read.hpp>
#include <blink/topology/topology.hpp>

#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>

namespace blink {

/// @param source `probe` for this machine's GPUs; the name of a machine that Blink knows; a file with Blink's topology
///     JSON or the text of `nvidia-smi topo -m`; or `-` for the same on the standard input. A known name goes before a
///     file of that name; `./dgx1v` is the file.
/// @throw topology_error where there is no such thing, or it cannot be read
[[nodiscard]] inline topology topology_from(const std::string& source) {
    if (source == "probe") { return probe_topology(); }
    if (source == "-") { return read_topology({std::istreambuf_iterator<char>(std::cin), {}}, "standard input"); }
    if (auto machine = find_machine(source)) { return std::move(*machine); }
    if (std::filesystem::exists(source)) { return load_topology(source); }
    std::string names;
    for (const std::string& name : machine_names()) { names += ", " + name; }
    throw topology_error("'" + source + "' is neither a file nor a known machine: expected probe, a file" + names +
                         ", or K boxes as dgx_a100xK or hgx_h100xK");
}

} // namespace blink
