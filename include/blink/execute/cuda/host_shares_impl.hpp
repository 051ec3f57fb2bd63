// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of host_shares.hpp.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/host_shares.hpp>
#include <blink/schedule/adaptive_split.hpp>

#include <vector>

namespace blink::cuda {

BLINK_INLINE host_shares::choice host_shares::next(const shared_call& call, double tuned, double most) {
    auto found = entries_.find(call);
    if (found == entries_.end()) {
        if (entries_.size() == most_calls) { return {tuned, false}; }
        adaptive_split_options options = search;
        options.most = most;
        found = entries_.emplace(call, entry{adaptive_split::from_share(tuned, options), tuned}).first;
    }
    const entry& e = found->second;
    if (e.split.missing() > e.under_way) { return {e.split.share(), true}; }
    return {e.share(), false};
}

BLINK_INLINE void host_shares::begun(const shared_call& call) {
    if (const auto found = entries_.find(call); found != entries_.end()) { ++found->second.under_way; }
}

BLINK_INLINE void host_shares::observe(const shared_call& call, double link_s, double host_s) {
    const auto found = entries_.find(call);
    if (found == entries_.end() || found->second.under_way == 0) { return; }
    entry& e = found->second;
    --e.under_way;
    if (link_s < 0 || host_s < 0) { return; }
    e.link_s = link_s;
    e.host_s = host_s;
    e.split.observe(link_s, host_s);
}

BLINK_INLINE std::vector<learnt_share> host_shares::all() const {
    std::vector<learnt_share> list;
    for (const auto& [call, e] : entries_) {
        list.push_back({call, e.share(), e.split.settled(), e.split.share(), e.link_s, e.host_s});
    }
    return list;
}

} // namespace blink::cuda
