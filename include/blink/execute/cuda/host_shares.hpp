// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The shares of calls by copies that go over the host, learnt from what running calls took. Knows no clock: whoever
/// runs the calls asks for the share of each and tells the times once they are known.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace blink::cuda {

/// Calls that are cut alike. The size counts to the byte: only times of one size may be compared, programs repeat their
/// sizes, and one that does not goes on with the tuned share.
struct shared_call {
    collective kind = collective::allreduce;
    int root = 0;               ///< 0 without one; the ways of two GPUs to the host may differ
    std::size_t crossing = 0;   ///< bytes between the ranks, in each direction that is used
    std::uint64_t in_place = 0; ///< as of `plan_copies`
};

/// What is known of such calls.
struct learnt_share {
    shared_call call;
    double share = 0; ///< that calls get, unless they are on trial
    bool settled = false;
    double trial = 0;  ///< share that is being tried, else `share`
    double link_s = 0; ///< until the link's part of the last call on trial was done, likewise the host's part
    double host_s = 0;
};

/// An `adaptive_split` for each of the first 64 kinds of calls; further ones keep the tuned share. A call runs with a
/// share on trial only while observations of that share are missing and not under way; all others, such as those that
/// are enqueued far ahead of the GPUs, have the tuned share until the search is over. At most 15 calls are on trial,
/// each of which gives its times once. One thread at a time.
class host_shares {
  public:
    BLINK_INLINE host_shares();
    BLINK_INLINE ~host_shares();
    host_shares(const host_shares&) = delete;
    host_shares& operator=(const host_shares&) = delete;

    static constexpr std::size_t most_calls = 64;
    static constexpr int samples = 3; ///< of each share
    static constexpr int steps = 4;   ///< shares tried

    struct choice {
        double share = 0;
        bool on_trial = false; ///< `begun` and then `observe` have to follow
    };

    /// For the next such call that is not captured.
    /// @param tuned above 0: where the search starts
    /// @param most see `most_host_share`
    [[nodiscard]] BLINK_INLINE choice next(const shared_call& call, double tuned, double most);

    /// A call on trial was enqueued.
    BLINK_INLINE void begun(const shared_call& call);

    /// Seconds until the link's part and the host's part of a call on trial were done; of the latter 0 where nothing
    /// went over the host. Below 0: they will never be known, and another call is tried instead.
    BLINK_INLINE void observe(const shared_call& call, double link_s, double host_s);

    [[nodiscard]] BLINK_INLINE std::vector<learnt_share> all() const;

  private:
    struct known;
    std::unique_ptr<known> known_; ///< apart, so that who includes this need not read what it is made of
};

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/host_shares_impl.hpp>
#endif
