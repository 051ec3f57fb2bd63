// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A tree over a machine's GPUs in the form that pictures take, so that they need not know where trees come from.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/topology.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

struct drawn_tree {
    std::string label;
    double GBps = 0;
    int root = 0;
    std::vector<std::pair<int, int>> edges; ///< parent and child, as GPUs of the machine
};

namespace detail {

/// Colours of trees in the order of the trees: those of Okabe and Ito that show on white, then those of Tol. People who
/// do not tell red from green tell neighbours apart too.
[[nodiscard]] inline std::string_view tree_colour(std::size_t tree) noexcept {
    constexpr std::array<std::string_view, 12> colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                       "#e69f00", "#56b4e9", "#882255", "#999933",
                                                       "#332288", "#44aa99", "#aa4499", "#6b7280"};
    return colours[tree % colours.size()];
}

/// @throw usage_error for a tree that names a GPU which the machine does not have
template <capacity_graph G>
void check_trees(const G& g, std::span<const drawn_tree> trees) {
    const auto check = [&](const drawn_tree& t, int v) {
        if (v < 0 || v >= g.gpu_count()) {
            throw usage_error(std::string(g.name()) + ": tree '" + t.label + "' names GPU " + std::to_string(v) +
                              ", which is none of 0.." + std::to_string(g.gpu_count() - 1));
        }
    };
    for (const drawn_tree& t : trees) {
        check(t, t.root);
        for (const auto& [parent, child] : t.edges) {
            check(t, parent);
            check(t, child);
        }
    }
}

} // namespace detail
} // namespace blink
