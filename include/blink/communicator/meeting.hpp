// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Processes that have met, one a rank: what they tell each other, and how each learns that another one is gone.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/core/config.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace blink {

/// What ended a meeting. The first such thing is kept, and is the same on every rank that hears of it.
struct meeting_failure {
    enum class reason : std::uint8_t {
        none,
        lost,      ///< the process of `rank` is gone
        timed_out, ///< somebody waited too long
        aborted,   ///< the user said so
        disagreed, ///< ranks made different plans
        broken     ///< bytes that are no message
    };
    reason what = reason::none;
    int rank = -1; ///< whose fault, or who tells
    std::string text{};

    /// @throw peer_lost_error, timeout_error, aborted_error, plan_error or rendezvous_error; nothing for `none`
    BLINK_INLINE void raise() const;
};

/// Every rank is connected to rank 0, which passes on what concerns all. The connections stay open, so a process that
/// ends, however it ends, is noticed at once; a thread of the meeting's own watches for that.
class meeting {
  public:
    /// As `rendezvous` makes it.
    /// @param to on rank 0 a connection for each rank, unused for itself; else the one to rank 0
    /// @param patience longest wait of an exchange
    BLINK_INLINE meeting(int rank, int size, std::vector<net::connection> to, std::chrono::milliseconds patience);
    /// Says goodbye: the others hear that this rank has left, not that it has died.
    BLINK_INLINE ~meeting();
    meeting(const meeting&) = delete;
    meeting& operator=(const meeting&) = delete;

    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return size_; }

    /// Gives `own` to all ranks and returns what each of them gave, by rank. Every rank has to call it as often, so it
    /// is a barrier too. Waits at most `patience` behind the first rank that comes.
    /// @throw what `failure().raise()` throws, a timeout_error that names the missing ranks among them
    BLINK_INLINE std::vector<std::string> exchange(std::string_view own);

    /// Says that `name` has this value, without waiting. Two ranks with different values fail the meeting.
    BLINK_INLINE void claim(const std::string& name, const std::string& value) noexcept;

    /// Fails the meeting: all ranks are told. From any thread; a second failure is ignored.
    BLINK_INLINE void fail(const meeting_failure& why) noexcept;

    [[nodiscard]] BLINK_INLINE meeting_failure failure() const;

    /// Lets the watching thread call `failed` once the meeting has failed, and ask `fault` some fifty times a second
    /// whether something has gone wrong on this rank; a text that is not empty fails the meeting as timed out. Both are
    /// called under a lock: they call nothing of the meeting. Empty functions end it, before this returns.
    BLINK_INLINE void watch(std::function<void()> failed, std::function<std::string()> fault);

  private:
    using clock = net::clock;

    BLINK_INLINE void run();
    BLINK_INLINE int nap() const;
    BLINK_INLINE void read_from(std::size_t peer);
    BLINK_INLINE void hear(std::size_t peer, const net::frame& f);
    BLINK_INLINE void hear_part(int rank, std::uint64_t number, std::string bytes);
    BLINK_INLINE void hear_claim(int rank, const std::string& name, const std::string& value);
    BLINK_INLINE void check_round();
    BLINK_INLINE void set_failure(const meeting_failure& why);
    BLINK_INLINE void tell(std::size_t peer, const net::frame& f);
    BLINK_INLINE void tell_all(const net::frame& f);

    /// Whom connection `peer` leads to.
    [[nodiscard]] int rank_of(std::size_t peer) const noexcept { return rank_ == 0 ? static_cast<int>(peer) : 0; }

    struct said {
        int rank;
        std::string value;
    };

    int rank_;
    int size_;
    std::chrono::milliseconds patience_;

    mutable std::mutex guard_; ///< of everything below
    std::condition_variable news_;
    std::vector<net::connection> to_;
    std::vector<bool> open_; ///< by connection: neither lost nor left
    std::vector<bool> left_; ///< by connection: said goodbye
    meeting_failure failure_;
    std::function<void()> failed_;
    std::function<std::string()> fault_;
    bool stop_ = false;

    std::uint64_t calls_ = 0;                         ///< exchanges that this rank has entered
    std::uint64_t rounds_ = 0;                        ///< exchanges that are complete
    std::vector<std::string> whole_;                  ///< of the last complete one
    std::vector<std::optional<std::string>> parts_{}; ///< rank 0: of the next one
    std::optional<clock::time_point> round_ends_;     ///< rank 0: where somebody has begun it
    std::map<std::string, said> claims_;              ///< rank 0

    net::descriptor wake_; ///< an event that ends the thread's nap
    std::thread watcher_;  ///< last: it uses all of the above
};

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/meeting_impl.hpp>
#endif
