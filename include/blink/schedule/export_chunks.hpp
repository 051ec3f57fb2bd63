// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Shares of the data as whole numbers of equal chunks, which is all that the formats of other executors can say.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace blink {

/// What a schedule is exported for, and how finely its shares are cut.
struct export_options {
    std::string name = "blink"; ///< what logs of the executor call the algorithm
    /// Most chunks of the data (of a shard, in a sharded collective), 1 to 64. Executors take only messages that are a
    /// multiple of the chunks, so their number is a power of two.
    int max_chunks = 64;
    double tolerance = 0.01;     ///< fewer chunks are taken where they cost at most this share of rate
    std::uint64_t min_bytes = 0; ///< smallest message that the algorithm is for
    std::uint64_t max_bytes = std::uint64_t{1} << 40; ///< largest one
    bool in_place = true;              ///< MSCCL++ alone: for calls with one buffer, or for calls with two
    std::size_t slice_bytes = 1 << 20; ///< MSCCL++ alone: what passes through a tree at once
};

/// A chunk of a rank's input ('i'), output ('o') or scratch memory ('s'), as the formats name them.
struct export_place {
    char buffer = 'i';
    int first = 0;
};

/// Chunks of the lanes. Those of a lane follow each other; the lanes of a root follow in their order.
struct export_chunks {
    int whole = 0;          ///< chunks of the data, or of a shard
    std::vector<int> count; ///< by lane, at least 1
    std::vector<int> first; ///< by lane: where its chunks begin, in the data or in its root's shard
    double slowdown = 1;    ///< time of the lane with the most chunks for its share, over that with exact shares

    /// Chunks of the larger buffer of a rank.
    [[nodiscard]] int larger(const schedule& s) const { return whole * (is_sharded(s.kind) ? s.ranks : 1); }
    [[nodiscard]] int of_input(const schedule& s) const { return s.kind == collective::allgather ? whole : larger(s); }
    [[nodiscard]] int of_output(const schedule& s) const {
        return s.kind == collective::reduce_scatter ? whole : larger(s);
    }

    /// Where the chunks of lane `l` begin in inputs and outputs.
    [[nodiscard]] export_place input(const schedule& s, std::size_t l) const {
        return {'i', first[l] + (s.kind == collective::reduce_scatter ? s.lanes[l].root * whole : 0)};
    }
    [[nodiscard]] export_place output(const schedule& s, std::size_t l) const {
        return {'o', first[l] + (s.kind == collective::allgather ? s.lanes[l].root * whole : 0)};
    }
};

namespace detail {

/// Cuts `whole` chunks by shares that add up to 1: the largest remainders get what rounding down leaves.
[[nodiscard]] inline std::vector<int> apportion(const std::vector<double>& shares, int whole) {
    std::vector<int> count;
    int left = whole;
    for (const double s : shares) {
        count.push_back(std::max(1, static_cast<int>(s * whole + 1e-9)));
        left -= count.back();
    }
    // One chunk at a time, from or to the lane whose time is then the least bad. Ties go to the first.
    const auto load = [&](std::size_t i, int change) { return (count[i] + change) / shares[i]; };
    for (; left != 0; left += left > 0 ? -1 : 1) {
        const int change = left > 0 ? 1 : -1;
        std::size_t best = shares.size();
        for (std::size_t i = 0; i < shares.size(); ++i) {
            if (count[i] + change < 1) { continue; }
            const bool better = best == shares.size() ||
                                (change > 0 ? load(i, 1) < load(best, 1) - 1e-9 : load(i, 0) > load(best, 0) + 1e-9);
            if (better) { best = i; }
        }
        count[best] += change;
    }
    return count;
}

/// The lanes that cut the same buffer: all of them, or those of each root.
[[nodiscard]] inline std::vector<std::vector<std::size_t>> lanes_by_buffer(const schedule& s) {
    std::vector<std::vector<std::size_t>> groups(is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1);
    for (std::size_t l = 0; l < s.lanes.size(); ++l) {
        groups[is_sharded(s.kind) ? static_cast<std::size_t>(s.lanes[l].root) : 0].push_back(l);
    }
    return groups;
}

} // namespace detail

/// The fewest chunks, a power of two of them, whose shares cost at most `tolerance`; else those that cost the least.
/// @throw usage_error for fewer than two ranks, `max_chunks` outside 1 to 64, or more lanes for a buffer than chunks
[[nodiscard]] inline export_chunks cut_for_export(const schedule& s, const export_options& o) {
    constexpr int most = 64;
    const std::string what = "export of " + std::string(to_string(s.kind));
    if (s.ranks < 2) { throw usage_error(what + " among " + std::to_string(s.ranks) + " ranks: expected 2 or more"); }
    if (o.max_chunks < 1 || o.max_chunks > most) {
        throw usage_error(what + ": max_chunks is " + std::to_string(o.max_chunks) + ", expected 1 to 64");
    }
    const auto groups = detail::lanes_by_buffer(s);
    export_chunks best;
    for (int whole = 1; whole <= o.max_chunks; whole *= 2) {
        export_chunks cut{whole, std::vector<int>(s.lanes.size()), std::vector<int>(s.lanes.size()), 1};
        bool fits = true;
        for (const auto& lanes : groups) {
            double total = 0;
            std::vector<double> shares;
            for (const std::size_t l : lanes) { total += s.lanes[l].share; }
            for (const std::size_t l : lanes) { shares.push_back(s.lanes[l].share / total); }
            fits = fits && !lanes.empty() && static_cast<int>(lanes.size()) <= whole;
            if (!fits) { break; }
            const std::vector<int> count = detail::apportion(shares, whole);
            int at = 0;
            for (std::size_t i = 0; i < lanes.size(); ++i) {
                cut.first[lanes[i]] = at;
                cut.count[lanes[i]] = count[i];
                at += count[i];
                cut.slowdown = std::max(cut.slowdown, count[i] / (whole * shares[i]));
            }
        }
        if (!fits) { continue; }
        if (best.whole == 0 || cut.slowdown < best.slowdown - 1e-9) { best = cut; }
        if (best.slowdown <= 1 + o.tolerance) { return best; }
    }
    if (best.whole == 0) {
        throw usage_error(what + ": " + std::to_string(s.lanes.size()) + " trees do not fit into " +
                          std::to_string(o.max_chunks) + " chunks; plan with fewer trees");
    }
    return best;
}

} // namespace blink
