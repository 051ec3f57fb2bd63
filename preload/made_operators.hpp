// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The operators that the program has made: sums of contributions times a factor.
#pragma once

#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "calls.hpp"
#include "nccl/abi.hpp"

namespace blink::preload {

/// By communicator and the number that NCCL has given. May be used from any thread.
class made_operators {
  public:
    /// @param scalar the factor; read here where it resides on the host, else when a collective runs
    void add(nccl::communicator* comm, nccl::operation op, const void* scalar, nccl::data_type type,
             nccl::scalar_residence where) {
        if (scalar == nullptr || type < 0 || type >= nccl::type_count) { return; }
        premul_factor factor{type, nullptr, {}};
        if (where == nccl::scalar_host_immediate) {
            std::memcpy(factor.value.data(), scalar, size_of(type));
        } else {
            factor.on_device = scalar;
        }
        const std::lock_guard lock(guard_);
        known_[{comm, op}] = factor;
    }

    void remove(nccl::communicator* comm, nccl::operation op) {
        const std::lock_guard lock(guard_);
        known_.erase({comm, op});
    }

    /// Forgets all of a communicator.
    void remove(nccl::communicator* comm) {
        const std::lock_guard lock(guard_);
        std::erase_if(known_, [comm](const auto& entry) { return entry.first.first == comm; });
    }

    /// The factor of an operator; none where Blink has not seen it made.
    [[nodiscard]] std::optional<premul_factor> find(nccl::communicator* comm, nccl::operation op) const {
        const std::lock_guard lock(guard_);
        const auto at = known_.find({comm, op});
        return at == known_.end() ? std::nullopt : std::optional(at->second);
    }

  private:
    mutable std::mutex guard_;
    std::map<std::pair<nccl::communicator*, nccl::operation>, premul_factor> known_;
};

} // namespace blink::preload
