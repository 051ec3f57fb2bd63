// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The ranks of one communicator that are in this process, all of them or one, and the executor that serves them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "calls.hpp"
#include "derived_ids.hpp"
#include "executor.hpp"
#include "matching.hpp"
#include "settings.hpp"
#include "transfers.hpp"

namespace blink::preload {

/// What became of the calls of a group.
struct answer {
    bool taken = false;                  ///< by Blink; else NCCL has to do them, and nothing has moved
    std::string reason;                  ///< why not taken, or what went wrong
    nccl::result status = nccl::success; ///< where taken
};

/// One set of ranks. All members may be called from any thread.
class clique {
  public:
    /// @param ranks communicator of each rank of this process
    /// @param of ranks in all processes
    /// @param id what no other communicator has, and all ranks of this one know
    clique(std::vector<nccl::communicator*> ranks, std::size_t of, std::unique_ptr<executor> runs,
           const settings& chosen, const nccl::unique_id& id);

    [[nodiscard]] std::span<nccl::communicator* const> ranks() const noexcept { return ranks_; }
    /// Ranks in all processes.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Whether all ranks are in this process.
    [[nodiscard]] bool is_whole() const noexcept { return ranks_.size() == size_; }

    /// Runs the calls of a group, all of them or none: either sends and receives, or other calls.
    [[nodiscard]] answer offer(std::span<const collective_call> calls);

    /// The ids of communicators that are made from this one.
    [[nodiscard]] child_ids& children() noexcept { return children_; }

    /// Notes that NCCL has a call.
    void gave_to_nccl(const collective_call& call);

    /// Nothing is taken from here on, as a rank is about to leave. Returns when all that was launched has ended.
    void finish() noexcept;
    /// Likewise, and what was launched ends soon.
    void abort() noexcept;

    /// What went wrong on the ranks; empty where nothing did.
    [[nodiscard]] std::string trouble() const { return runs_->trouble(); }

    /// Tells, once for a collective and size class, that calls go to NCCL.
    void tell_forwarded(const collective_call& call, const std::string& reason);

  private:
    [[nodiscard]] int rank_of(const nccl::communicator* comm) const {
        return static_cast<int>(std::ranges::find(ranks_, comm) - ranks_.begin());
    }
    [[nodiscard]] matching joined(std::span<const collective_call> calls) const;
    [[nodiscard]] std::string refusal(std::span<const matched_call> calls, bool again);
    /// Tells likewise where calls go and why.
    /// @param refused why NCCL has them; empty: Blink carries `last_matched_`
    void tell_of(std::span<const collective_call> calls, const std::string& refused);
    void tell(const std::string& calls, const std::string& path, const std::string& reason);

    const std::vector<nccl::communicator*> ranks_;
    const std::size_t size_;
    const std::unique_ptr<executor> runs_;
    const settings& chosen_;
    std::mutex guard_;
    std::vector<collective_call> last_calls_; ///< that were launched; programs repeat what they do
    std::vector<matched_call> last_matched_;  ///< the same, joined
    given_transfers given_;
    child_ids children_;
    std::atomic<bool> closed_{false};
    std::mutex told_guard_;
    std::set<std::string> told_;
};

} // namespace blink::preload
