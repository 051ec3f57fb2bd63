// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Decides for each call of the program whether Blink or the NCCL beneath answers it.
///
/// Blink takes the calls of one group of calls (ncclGroupStart .. ncclGroupEnd) where one thread makes them for
/// all ranks of a communicator, which are then all in this process. So the decision is made once, with all that any
/// rank knows; wherever a thread speaks for some ranks only, every thread leaves the call to NCCL. The calls of a
/// group are kept until its outermost end, and go to Blink or to NCCL together, in their order.
///
/// Where each rank is a process of its own, all of them decide when the communicator is made whether Blink serves it
/// (agreement.hpp). Each then decides for itself, by what it knows to be the same on all ranks.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "clique.hpp"
#include "communicators.hpp"
#include "executor.hpp"
#include "made_operators.hpp"
#include "nccl/abi.hpp"
#include "settings.hpp"

namespace blink::preload {

/// One program's NCCL. May be used from any thread.
class interposer {
  public:
    /// What NCCL would do; called exactly once.
    using forward = std::function<nccl::result()>;

    /// @param make_for_process null: communicators of several processes are NCCL's
    interposer(nccl_beneath& beneath, executor_maker make, process_executor_maker make_for_process,
               const settings& chosen)
        : beneath_(beneath), make_(make), make_for_process_(make_for_process), chosen_(chosen) {}

    nccl::result collective(const collective_call& call);

    nccl::result group_start();
    nccl::result group_end();
    nccl::result group_simulate_end(const forward& to_nccl);

    /// An operator that multiplies by `scalar`; NCCL makes it, and gives it a number.
    nccl::result create_premul_sum(nccl::operation* op, const void* scalar, nccl::data_type type,
                                   nccl::scalar_residence where, nccl::communicator* comm, const forward& to_nccl);
    nccl::result destroy_operator(nccl::operation op, nccl::communicator* comm, const forward& to_nccl);

    /// New communicators, by one thread for all ranks.
    nccl::result init_all(nccl::communicator** comms, int count, const forward& to_nccl);
    /// A new communicator, for one rank.
    /// @param blocking false: calls on it may return before they are done; such communicators are NCCL's
    nccl::result init_rank(nccl::communicator** comm, int ranks, const nccl::unique_id& id, int rank, bool blocking,
                           const forward& to_nccl);

    /// A new communicator of the ranks of `comm` that give this color; null of those that give none.
    nccl::result split(nccl::communicator* comm, int color, nccl::communicator** created, bool blocking,
                       const forward& to_nccl);

    /// A new communicator of the ranks of `comm` without those in `excluded`, which do not call.
    /// @param aborts what runs on `comm` ends first, and nothing runs on it any more
    nccl::result shrink(nccl::communicator* comm, std::span<const int> excluded, bool aborts,
                        nccl::communicator** created, bool blocking, const forward& to_nccl);

    /// How a communicator ends.
    enum class ending : unsigned char { finalize, destroy, revoke, abort };
    nccl::result end(nccl::communicator* comm, ending how, const forward& to_nccl);

    nccl::result async_error(nccl::communicator* comm, nccl::result* error, const forward& to_nccl);
    /// What went wrong on Blink's side of a communicator, else in the last call that failed, as programs ask NCCL
    /// without a communicator; empty where nothing did or NCCL has to say what.
    [[nodiscard]] std::string last_error(nccl::communicator* comm) const;

  private:
    /// A communicator that NCCL promises for the end of the group.
    struct promised {
        nccl::communicator** where;
        int ranks; ///< `unknown` of a child, until it is made
        int rank;  ///< of one; `all_ranks` where `where` is an array
        nccl::unique_id id;
        bool is_here = false; ///< none of its ranks can be in another process
    };
    static constexpr int all_ranks = -1;
    static constexpr int unknown = -1;

    /// What a thread has said in its open group.
    struct group {
        int depth = 0;
        std::vector<collective_call> queued;
        std::shared_ptr<clique> only; ///< of all calls in `queued`, which go to Blink or NCCL together; null: unknown
        std::vector<std::shared_ptr<clique>> left_to_nccl; ///< for the rest of the group, so that order is kept
        std::vector<promised> inits;
    };
    static group& current();

    nccl::result outermost_end(const forward& to_nccl, bool simulated);
    /// Offers the calls of the open group to Blink and keeps those that it does not take.
    nccl::result offer_queued();
    nccl::result issue_queued(const clique* only);
    nccl::result give_to_nccl(clique& c, const collective_call& call);
    void leave_to_nccl(const std::shared_ptr<clique>& c);
    [[nodiscard]] std::string trouble(nccl::communicator* comm) const;
    /// Keeps the reason of a failure for `last_error`.
    nccl::result noted(nccl::result status, const std::string& why);
    nccl::result promise(const promised& p, const forward& to_nccl);
    nccl::result promise_child(const clique& parent, const nccl::unique_id& id, nccl::communicator** created,
                               bool blocking, const forward& to_nccl);
    void adopt(std::vector<promised> promises);
    void dismiss(const std::vector<promised>& promises);
    void adopt_here(const promised& p);
    void adopt_process(const promised& p);

    nccl_beneath& beneath_;
    executor_maker make_;
    process_executor_maker make_for_process_;
    const settings& chosen_;
    communicators known_;
    made_operators operators_;
    mutable std::mutex last_guard_;
    std::string last_error_;
};

} // namespace blink::preload
