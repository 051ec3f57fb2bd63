// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which communicators are Blink's, and how many of their ranks are in this process.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clique.hpp"
#include "nccl/abi.hpp"

namespace blink::preload {

/// The communicators that Blink serves; all others are NCCL's alone. May be used from any thread.
class communicators {
  public:
    /// The set that `comm` belongs to; null where it is none of ours.
    [[nodiscard]] std::shared_ptr<clique> find(nccl::communicator* comm) const {
        const std::shared_lock lock(guard_);
        const auto at = cliques_.find(comm);
        return at == cliques_.end() ? nullptr : at->second;
    }

    /// From here on the ranks of `c` are found.
    void add(const std::shared_ptr<clique>& c) {
        const std::unique_lock lock(guard_);
        for (nccl::communicator* const comm : c->ranks()) { cliques_[comm] = c; }
    }

    /// Forgets a communicator, before NCCL may give its address to another one.
    void remove(nccl::communicator* comm) {
        const std::unique_lock lock(guard_);
        cliques_.erase(comm);
        for (auto entry = incomplete_.begin(); entry != incomplete_.end();) {
            std::vector<nccl::communicator*>& ranks = entry->second;
            std::ranges::replace(ranks, comm, nullptr);
            const bool none_left = std::ranges::count(ranks, nullptr) == std::ssize(ranks);
            entry = none_left ? incomplete_.erase(entry) : std::next(entry);
        }
    }

    /// Notes that a rank of `id` is about to be made here. NCCL waits for all ranks, so once one is made, all those of
    /// this process have been noted.
    void arriving(const nccl::unique_id& id) {
        const std::unique_lock lock(guard_);
        ++arrivals_[std::to_array(id.internal)].came;
    }
    /// To be called once for each `arriving`, when the rank is made or has failed.
    /// @return how many came
    int settled(const nccl::unique_id& id) {
        const std::unique_lock lock(guard_);
        const auto at = arrivals_.find(std::to_array(id.internal));
        const int came = at->second.came;
        if (++at->second.settled == came) { arrivals_.erase(at); }
        return came;
    }

    /// Notes that `rank` of `ranks` was made from `id`, by any thread.
    /// @return the communicators of all ranks once the last one is noted; else nothing
    [[nodiscard]] std::vector<nccl::communicator*> joined(const nccl::unique_id& id, int ranks, int rank,
                                                          nccl::communicator* comm) {
        const std::unique_lock lock(guard_);
        const auto key = std::to_array(id.internal);
        std::vector<nccl::communicator*>& known = incomplete_[key];
        known.resize(static_cast<std::size_t>(ranks));
        known.at(static_cast<std::size_t>(rank)) = comm;
        if (std::ranges::find(known, nullptr) != known.end()) { return {}; }
        std::vector<nccl::communicator*> all = std::move(known);
        incomplete_.erase(key);
        return all;
    }

  private:
    struct arrival {
        int came = 0;
        int settled = 0;
    };

    mutable std::shared_mutex guard_;
    std::unordered_map<nccl::communicator*, std::shared_ptr<clique>> cliques_;
    std::map<std::array<char, sizeof(nccl::unique_id)>, std::vector<nccl::communicator*>> incomplete_;
    std::map<std::array<char, sizeof(nccl::unique_id)>, arrival> arrivals_;
};

} // namespace blink::preload
