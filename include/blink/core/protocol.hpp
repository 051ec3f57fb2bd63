// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How data cross the wires of a tree.
#pragma once

#include <blink/core/error.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace blink {

/// Ways for a call on GPUs. Host ranks have but one and ignore the choice.
enum class protocol : unsigned char {
    automatic, ///< by size, type and machine: what all ranks know
    chunks,    ///< a pipeline of chunks, each announced by a flag behind it: full rate
    cells,     ///< sixteen bytes at a time that need no flag: one trip a hop, over the trees
    all_pairs, ///< cells from each rank to each other, without trees: one trip in all, for AllReduce calls
    pull,  ///< chunks that parents read where they are, without slots in between, for reductions of a group that sees
           ///< all its buffers
    copies ///< long calls by copy engines, over the host too, between GPUs of one process that all reach each other, or
           ///< of two processes
};

inline constexpr std::array<std::string_view, 6> protocol_names{"auto",      "chunks", "cells",
                                                                "all_pairs", "pull",   "copies"};

[[nodiscard]] constexpr std::string_view to_string(protocol p) noexcept {
    return protocol_names[static_cast<std::size_t>(p)];
}

/// @throw usage_error for a name that is none of `protocol_names`
[[nodiscard]] inline protocol protocol_from(std::string_view name) {
    for (std::size_t i = 0; i < protocol_names.size(); ++i) {
        if (protocol_names[i] == name) { return static_cast<protocol>(i); }
    }
    throw usage_error("unknown protocol '" + std::string(name) +
                      "': expected auto, chunks, cells, all_pairs, pull or copies");
}

} // namespace blink
