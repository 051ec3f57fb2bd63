// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What stands for the id of a communicator that was made from several ids, from another communicator, or from none:
/// all its ranks come to the same one, each by itself, and no other communicator's do.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nccl/abi.hpp"

namespace blink::preload {

/// 128 bits of a text, as 32 hexadecimal digits, by Fowler, Noll and Vo (FNV-1a).
[[nodiscard]] std::string digest_of(std::string_view text);

/// Of a communicator that is made from several ids, which NCCL demands to be the same in the same order on all ranks.
/// A single one stands for itself: NCCL joins ranks that give it by either call.
/// @param ids one at least
[[nodiscard]] nccl::unique_id id_of_several(std::span<const nccl::unique_id> ids);

/// Of a communicator whose ranks are all in this process; another one at each call, and unknown to other processes.
[[nodiscard]] nccl::unique_id new_id_here();

/// The ids of communicators that are made from one, its children. Each rank counts them for itself, as all ranks of a
/// child make the calls for it in the same order. May be used from any thread.
class child_ids {
  public:
    explicit child_ids(const nccl::unique_id& parent) : parent_(parent) {}

    /// Of the one that `rank` splits off next; to be asked once a split, whatever becomes of it.
    [[nodiscard]] nccl::unique_id of_split(const nccl::communicator* rank, int color);

    /// Of the one without the ranks in `excluded`, in any order, that `rank` makes next. The excluded ones do not call,
    /// so only shrinks without the same ranks are counted: all that remain have made those.
    [[nodiscard]] nccl::unique_id of_shrink(const nccl::communicator* rank, std::vector<int> excluded);

  private:
    const nccl::unique_id parent_;
    std::mutex guard_;
    std::map<std::pair<const nccl::communicator*, std::string>, unsigned> made_; ///< by rank and what it asks for
};

} // namespace blink::preload
