// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of host_shares.hpp.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/host_shares.hpp>
#include <blink/schedule/adaptive_split.hpp>

#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace blink::cuda {

struct host_shares::known {
    static constexpr adaptive_split_options search{
        .samples = samples, .tolerance = 0.02, .steps = steps, .least_gain = 0.01};

    struct entry {
        adaptive_split split;
        double tuned;
        int under_way = 0;
        double link_s = 0;
        double host_s = 0;

        [[nodiscard]] double share() const { return split.settled() ? split.share() : tuned; }
    };

    /// Any order of calls.
    struct before {
        [[nodiscard]] bool operator()(const shared_call& a, const shared_call& b) const {
            return std::tie(a.kind, a.root, a.crossing, a.in_place) < std::tie(b.kind, b.root, b.crossing, b.in_place);
        }
    };

    std::map<shared_call, entry, before> entries;
};

BLINK_INLINE host_shares::host_shares() : known_(std::make_unique<known>()) {}
BLINK_INLINE host_shares::~host_shares() = default;

BLINK_INLINE host_shares::choice host_shares::next(const shared_call& call, double tuned, double most) {
    auto found = known_->entries.find(call);
    if (found == known_->entries.end()) {
        if (known_->entries.size() == most_calls) { return {tuned, false}; }
        adaptive_split_options options = known::search;
        options.most = most;
        found = known_->entries.emplace(call, known::entry{adaptive_split::from_share(tuned, options), tuned}).first;
    }
    const known::entry& e = found->second;
    if (e.split.missing() > e.under_way) { return {e.split.share(), true}; }
    return {e.share(), false};
}

BLINK_INLINE void host_shares::begun(const shared_call& call) {
    if (const auto found = known_->entries.find(call); found != known_->entries.end()) { ++found->second.under_way; }
}

BLINK_INLINE void host_shares::observe(const shared_call& call, double link_s, double host_s) {
    const auto found = known_->entries.find(call);
    if (found == known_->entries.end() || found->second.under_way == 0) { return; }
    known::entry& e = found->second;
    --e.under_way;
    if (link_s < 0 || host_s < 0) { return; }
    e.link_s = link_s;
    e.host_s = host_s;
    e.split.observe(link_s, host_s);
}

BLINK_INLINE std::vector<learnt_share> host_shares::all() const {
    std::vector<learnt_share> list;
    for (const auto& [call, e] : known_->entries) {
        list.push_back({call, e.share(), e.split.settled(), e.split.share(), e.link_s, e.host_s});
    }
    return list;
}

} // namespace blink::cuda
