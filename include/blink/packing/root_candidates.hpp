// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which ranks are worth trying as the root: a few of each sort, where ranks of one sort see the same machine.
///
/// Vertices are told apart by what their links lead to, again and again until nothing new is told apart (colour
/// refinement; Weisfeiler and Leman 1968). Ranks that a symmetry of the machine exchanges are never told apart, so the
/// sorts lose no rate by themselves; the packer is a heuristic that breaks ties by numbers, and may be luckier with one
/// rank of a sort than with another.
#pragma once

#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// The sort of each vertex after `rounds` looks at its neighbours' sorts, or as soon as no look tells more.
[[nodiscard]] inline std::vector<int> vertex_sorts(const fabric& f, int rounds) {
    const auto at = [](int v) { return static_cast<std::size_t>(v); };
    // What a link carries counts, not into how many shares it is divided.
    std::map<std::pair<int, int>, double> capacity;
    for (const link& l : f.links) { capacity[{l.from, l.to}] += l.GBps; }
    using seen = std::tuple<bool, int, double>; // outwards; sort of the neighbour; GB/s
    std::vector<int> sort(at(f.vertices), 1);
    std::fill(sort.begin(), sort.begin() + f.ranks, 0);
    std::size_t count = f.vertices > f.ranks ? 2 : 1;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::pair<int, std::vector<seen>>> view(sort.size());
        for (std::size_t v = 0; v < sort.size(); ++v) { view[v].first = sort[v]; }
        for (const auto& [ends, GBps] : capacity) {
            view[at(ends.first)].second.emplace_back(true, sort[at(ends.second)], GBps);
            view[at(ends.second)].second.emplace_back(false, sort[at(ends.first)], GBps);
        }
        for (auto& v : view) { std::sort(v.second.begin(), v.second.end()); }
        auto distinct = view;
        std::sort(distinct.begin(), distinct.end());
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (std::size_t v = 0; v < sort.size(); ++v) {
            const auto found = std::lower_bound(distinct.begin(), distinct.end(), view[v]);
            sort[v] = static_cast<int>(found - distinct.begin());
        }
        if (distinct.size() == count) { break; }
        count = distinct.size();
    }
    return sort;
}

} // namespace detail

/// Up to this many ranks, a few of each sort are tried; beyond, one of each by the widths of its own links.
inline constexpr int few_ranks = 128;

/// Ranks in ascending order among which the best root is looked for.
/// @note O(links log links) a round, at most as many rounds as vertices and mostly two or three
[[nodiscard]] inline std::vector<int> root_candidates(const fabric& f) {
    constexpr int lucky = 3; // so many of a sort find what all of it do, on all fragments of a DGX-1 and on MI250
    const bool few = f.ranks <= few_ranks;
    const std::vector<int> sort = detail::vertex_sorts(f, few ? f.vertices : 1);
    std::vector<int> tried(sort.size(), 0);
    std::vector<int> candidates;
    for (int r = 0; r < f.ranks; ++r) {
        if (tried[static_cast<std::size_t>(sort[static_cast<std::size_t>(r)])]++ < (few ? lucky : 1)) {
            candidates.push_back(r);
        }
    }
    return candidates;
}

} // namespace blink
