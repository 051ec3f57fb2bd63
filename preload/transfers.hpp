// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which sends and receives of one group belong together: between two ranks the k-th send and the k-th receive.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "matching.hpp"

namespace blink::preload {

/// Sends and receives that NCCL was given, by (source, destination). NCCL joins them across groups, so Blink may join
/// those of a group only where NCCL has none that waits for its other end. NCCL opens a way at the first send or
/// receive on it and waits for both ends then; later sends do not wait for their receives. So that this is the same
/// under Blink, NCCL has to have opened a way before Blink takes calls on it. May be used from any thread.
class given_transfers {
  public:
    void note(const collective_call& call, int rank) {
        const std::lock_guard lock(guard_);
        long& surplus = surplus_[way_of(call, rank)];
        surplus += call.receives ? -1 : 1;
    }
    /// Whether a send or a receive waits for its other end.
    [[nodiscard]] bool any_waits() const {
        const std::lock_guard lock(guard_);
        return std::ranges::any_of(surplus_, [](const auto& way) { return way.second != 0; });
    }
    /// Whether the way of a call is open. A rank needs none to itself.
    [[nodiscard]] bool is_open(const collective_call& call, int rank) const {
        const std::lock_guard lock(guard_);
        return call.root == rank || surplus_.contains(way_of(call, rank));
    }

  private:
    static std::pair<int, int> way_of(const collective_call& call, int rank) {
        return call.receives ? std::pair{call.root, rank} : std::pair{rank, call.root};
    }

    mutable std::mutex guard_;
    std::map<std::pair<int, int>, long> surplus_; ///< sends less receives, of each way that is open
};

/// Joins the sends and receives that one thread made in one group on communicators of one set of ranks into one call;
/// or says why they cannot be joined.
/// @param ranks the communicator of each rank
/// @param calls in the order in which they were made; each on one of `ranks`
[[nodiscard]] inline matching match_transfers(std::span<nccl::communicator* const> ranks,
                                              std::span<const collective_call> calls) {
    matched_call all{call_kind::send_recv, 0, nccl::uint8, nccl::sum, 0, {}, {}, {}, {}, {}};
    all.streams.resize(ranks.size());
    std::vector<char> taking_part(ranks.size(), 0);
    std::map<std::pair<int, int>, std::pair<std::vector<const collective_call*>, std::vector<const collective_call*>>>
        ends;
    const auto fail = [](std::size_t rank, const std::string& what) {
        return matching{{}, "rank " + std::to_string(rank) + " " + what};
    };
    for (const collective_call& c : calls) {
        const auto at = static_cast<std::size_t>(std::ranges::find(ranks, c.comm) - ranks.begin());
        const int rank = static_cast<int>(at);
        if (c.root < 0 || c.root >= static_cast<int>(ranks.size())) { return fail(at, "names an unknown rank"); }
        if (taking_part[at] != 0 && all.streams[at] != c.stream) {
            return fail(at, "uses several streams in this group");
        }
        taking_part[at] = 1;
        all.streams[at] = c.stream;
        auto& pair = ends[c.receives ? std::pair{c.root, rank} : std::pair{rank, c.root}];
        (c.receives ? pair.second : pair.first).push_back(&c);
    }
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        // The kernels of all ranks take part, and that of this one would have no stream.
        if (taking_part[r] == 0) { return fail(r, "neither sends nor receives in this group"); }
    }
    for (const auto& [who, both] : ends) {
        const auto& [sends, receives] = both;
        if (sends.size() != receives.size()) {
            return fail(static_cast<std::size_t>(who.first),
                        "sends " + std::to_string(sends.size()) + " times to rank " + std::to_string(who.second) +
                            ", which receives " + std::to_string(receives.size()) + " times in this group");
        }
        for (std::size_t i = 0; i < sends.size(); ++i) {
            const std::size_t bytes = sends[i]->count * size_of(sends[i]->type);
            if (bytes != receives[i]->count * size_of(receives[i]->type)) {
                return fail(static_cast<std::size_t>(who.first),
                            "sends another length than rank " + std::to_string(who.second) + " receives");
            }
            if (bytes == 0) { continue; }
            all.transfers.push_back({who.first, who.second, sends[i]->in, receives[i]->out, bytes});
        }
    }
    return {{std::move(all)}, {}};
}

} // namespace blink::preload
