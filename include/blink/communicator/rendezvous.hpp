// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where the processes of a job find each other.
#pragma once

#include <blink/communicator/meeting.hpp>
#include <blink/core/config.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace blink {

/// An address that all processes of a job are given. Rank 0 waits there for the others:
/// - `file:PATH`: rank 0 writes PATH, which says where it listens, and removes it when all have come. For processes of
///   one machine that share a file system. What a job that crashed has left is told from what this one writes;
/// - `tcp://HOST:PORT`: rank 0 listens there, IPv4 or IPv6 (`tcp://[::1]:29500`). Whoever reaches the port may join;
/// - `env:`: as `tcp://` with MASTER_ADDR and MASTER_PORT, rank and size being RANK and WORLD_SIZE, as torchrun sets
///   them. `env:PORT` takes another port, where the launcher itself listens on MASTER_PORT.
///
/// @code
/// blink::rendezvous{"file:/tmp/job42"}.meet(rank, size)->exchange("hello");
/// @endcode
class rendezvous {
  public:
    enum class way : unsigned char { file, tcp };

    /// @param timeout longest wait for the processes to come, and for each exchange between them
    /// @throw usage_error for an address that is none of these, or variables that are missing
    BLINK_INLINE explicit rendezvous(std::string address,
                                     std::chrono::milliseconds timeout = std::chrono::milliseconds{60'000});

    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept { return timeout_; }
    /// What the environment says; none but for `env:`.
    [[nodiscard]] std::optional<int> rank() const noexcept { return rank_; }
    [[nodiscard]] std::optional<int> size() const noexcept { return size_; }

    /// Waits until all ranks have come. The ranks are told the same error where it does not come to that.
    /// @throw usage_error for ranks or sizes that do not fit together, timeout_error naming the ranks that did not
    /// come,
    ///        peer_lost_error for a process that ended meanwhile, rendezvous_error where the system refuses
    [[nodiscard]] BLINK_INLINE std::unique_ptr<meeting> meet(int rank, int size) const;

  private:
    std::string address_;
    std::chrono::milliseconds timeout_;
    way way_ = way::file;
    std::string path_; ///< of a file
    std::string host_;
    std::string port_;
    std::optional<int> rank_;
    std::optional<int> size_;
};

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/rendezvous_impl.hpp>
#endif
