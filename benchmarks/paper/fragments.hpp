// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The different sets of GPUs that a scheduler can give out of one machine.
#pragma once

#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace blink_paper {

/// How tables call a set of GPUs: their numbers one after the other.
[[nodiscard]] inline std::string joined(const std::vector<int>& gpus) {
    std::string text;
    for (const int g : gpus) { text += std::to_string(g); }
    return text;
}

/// GB/s of NVLink between each pair of the GPUs `ranks`, row by row.
[[nodiscard]] inline std::vector<double> nvlink_matrix(const blink::topology& machine, const std::vector<int>& ranks) {
    const std::size_t n = ranks.size();
    std::vector<double> matrix(n * n, 0);
    for (const blink::link& l : machine.links()) {
        const auto from = std::ranges::find(ranks, l.from);
        const auto to = std::ranges::find(ranks, l.to);
        if (l.kind != blink::link_kind::nvlink || from == ranks.end() || to == ranks.end()) { continue; }
        matrix[static_cast<std::size_t>(from - ranks.begin()) * n + static_cast<std::size_t>(to - ranks.begin())] +=
            l.GBps;
    }
    return matrix;
}

/// The same for every numbering of the ranks: the largest matrix among all of them.
[[nodiscard]] inline std::vector<double> canonical(const std::vector<double>& matrix, std::size_t n) {
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::vector<double> largest;
    do {
        std::vector<double> renumbered;
        for (const std::size_t u : order) {
            for (const std::size_t v : order) { renumbered.push_back(matrix[u * n + v]); }
        }
        largest = std::max(largest, renumbered);
    } while (std::ranges::next_permutation(order).found);
    return largest;
}

[[nodiscard]] inline bool is_connected(const std::vector<double>& matrix, std::size_t n) {
    std::vector<std::size_t> reached{0};
    for (std::size_t i = 0; i < reached.size(); ++i) {
        for (std::size_t v = 0; v < n; ++v) {
            if (matrix[reached[i] * n + v] > 0 && std::ranges::find(reached, v) == reached.end()) {
                reached.push_back(v);
            }
        }
    }
    return reached.size() == n;
}

/// One set of each kind of 3 to 8 GPUs of `machine` that NVLink joins, small sets first, as in Blink (MLSys 2020): sets
/// of the same kind have the same links between them in some order. A DGX-1V has 46 kinds, a DGX-1P 14.
[[nodiscard]] inline std::vector<std::vector<int>> unique_fragments(const blink::topology& machine) {
    std::vector<std::vector<int>> fragments;
    std::set<std::vector<double>> seen;
    for (std::size_t size = 3; size <= 8; ++size) {
        for (unsigned mask = 0; mask < 1U << machine.gpu_count(); ++mask) {
            std::vector<int> ranks;
            for (int g = 0; g < machine.gpu_count(); ++g) {
                if ((mask >> g & 1U) != 0) { ranks.push_back(g); }
            }
            if (ranks.size() != size) { continue; }
            const std::vector<double> matrix = nvlink_matrix(machine, ranks);
            if (is_connected(matrix, size) && seen.insert(canonical(matrix, size)).second) {
                fragments.push_back(ranks);
            }
        }
    }
    return fragments;
}

} // namespace blink_paper
