// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the decisions of the library rest on: something that runs collectives, and the NCCL beneath. Tests put their
/// own in the place of either.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "calls.hpp"
#include "settings.hpp"

namespace blink::preload {

/// Runs the collectives of one set of GPUs: all of them, where this process drives all, or one rank's part. One thread
/// at a time, but for `trouble` and `abort`.
class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// Why this call cannot be run here; empty where it can. Nothing has moved.
    /// @param again a call with the same arguments was the last one to be launched: what they alone decide is known
    [[nodiscard]] virtual std::string refusal(const matched_call& call, bool again) = 0;
    /// In words for people, how a call that `refusal` has let pass is carried, and why so.
    [[nodiscard]] virtual std::string way(const matched_call& call) = 0;
    /// Enqueues a call that `refusal` has let pass.
    /// @throw blink::error where that fails; `trouble` says the same from then on
    virtual void launch(const matched_call& call, bool again) = 0;
    /// Waits until all that was launched has ended.
    virtual void finish() noexcept = 0;
    /// Makes all that was launched end soon; from any thread.
    virtual void abort() noexcept = 0;
    /// What went wrong, also on the devices; empty where nothing did. From any thread.
    [[nodiscard]] virtual std::string trouble() const = 0;
};

/// @param devices CUDA device of each rank
/// @throw blink::error where these GPUs cannot be used together; the message says why
using executor_maker = std::unique_ptr<executor> (*)(std::span<const int> devices, const settings& chosen);

/// The executor that this library is built with.
[[nodiscard]] std::unique_ptr<executor> make_executor(std::span<const int> devices, const settings& chosen);

/// One rank of a communicator whose others are in other processes.
struct process_place {
    int rank = 0;
    int ranks = 0;
    int device = 0;      ///< CUDA device of this rank
    std::string address; ///< of the rendezvous that all ranks come to
    /// GPU of each rank in the machine that BLINK_TOPO_FILE names; empty where it names none, or the GPUs are not known
    /// by their numbers.
    std::vector<int> gpus{};
};

/// Makes what runs one rank's part: each matched call has one entry where a vector stands, this rank's. Waits for the
/// other ranks. Its `refusal` rests on nothing that only this rank knows.
/// @throw blink::error where these ranks cannot work together
using process_executor_maker = std::unique_ptr<executor> (*)(const process_place& at, const settings& chosen);

/// The executor of processes that this library is built with.
[[nodiscard]] std::unique_ptr<executor> make_process_executor(const process_place& at, const settings& chosen);

/// The NCCL beneath, as far as decisions need it.
class nccl_beneath {
  public:
    nccl_beneath() = default;
    nccl_beneath(const nccl_beneath&) = delete;
    nccl_beneath& operator=(const nccl_beneath&) = delete;
    virtual ~nccl_beneath() = default;

    virtual nccl::result collective(const collective_call& call) = 0;
    virtual nccl::result group_start() = 0;
    virtual nccl::result group_end() = 0;
    /// The CUDA device of a communicator.
    virtual nccl::result device(nccl::communicator* comm, int* device) = 0;
    /// Ranks of a communicator, and which of them it is.
    virtual nccl::result place(nccl::communicator* comm, int* ranks, int* rank) = 0;
};

} // namespace blink::preload
