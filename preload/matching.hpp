// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which calls of one group belong together: the i-th of every rank.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "calls.hpp"

namespace blink::preload {

/// The calls of all ranks, in order; or why they cannot be joined, and no calls.
struct matching {
    std::vector<matched_call> calls;
    std::string reason;
};

namespace detail {

/// How a rank's call differs from that of rank 0; empty where it does not.
[[nodiscard]] inline std::string difference(const collective_call& first, const collective_call& other) {
    if (first.kind != other.kind) { return "another call"; }
    if (first.count != other.count) { return "another count"; }
    if (first.type != other.type) { return "another type"; }
    // Operators that the program has made have another number on each communicator, and a factor of its own.
    if (first.factor.has_value() != other.factor.has_value() || (!first.factor && first.op != other.op)) {
        return "another operator";
    }
    if (first.root != other.root) { return "another root"; }
    return {};
}

} // namespace detail

/// Joins the calls, other than sends and receives, that one thread made in one group on communicators of one set of
/// ranks.
/// @param ranks the communicator of each rank
/// @param calls in the order in which they were made; each on one of `ranks`
[[nodiscard]] inline matching match(std::span<nccl::communicator* const> ranks,
                                    std::span<const collective_call> calls) {
    std::vector<std::vector<const collective_call*>> by_rank(ranks.size());
    for (const collective_call& c : calls) {
        by_rank[static_cast<std::size_t>(std::ranges::find(ranks, c.comm) - ranks.begin())].push_back(&c);
    }
    const std::vector<const collective_call*>& first = by_rank.front();
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        const std::vector<const collective_call*>& own = by_rank[r];
        const auto fail = [&](const std::string& what) {
            return matching{{}, "rank " + std::to_string(r) + " " + what};
        };
        if (own.empty()) { return fail("takes no part in this group"); }
        if (own.size() != first.size()) { return fail("makes another number of calls than rank 0"); }
        for (std::size_t i = 0; i < own.size(); ++i) {
            const std::string other = detail::difference(*first[i], *own[i]);
            if (!other.empty()) { return fail("asks for " + other + " than rank 0"); }
            // NCCL joins the streams of a group that has several; a stream for all its calls is what Blink keeps.
            // Where this process has one rank alone, the others do not know of its streams: each call stays on its own.
            if (ranks.size() > 1 && own[i]->stream != own[0]->stream) {
                return fail("uses several streams in this group");
            }
        }
    }
    matching found;
    for (std::size_t i = 0; i < first.size(); ++i) {
        const collective_call& c = *first[i];
        matched_call m{c.kind, c.count, c.type, c.op, c.root, {}, {}, {}, {}, {}};
        m.in.reserve(ranks.size());
        m.out.reserve(ranks.size());
        m.streams.reserve(ranks.size());
        for (const std::vector<const collective_call*>& own : by_rank) {
            m.in.push_back(own[i]->in);
            m.out.push_back(own[i]->out);
            m.streams.push_back(own[i]->stream);
            if (own[i]->factor) { m.factors.push_back(*own[i]->factor); }
        }
        found.calls.push_back(std::move(m));
    }
    return found;
}

} // namespace blink::preload
