// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the members of `meeting`.
#pragma once

#include <blink/communicator/meeting.hpp>
#include <blink/core/error.hpp>

#include <algorithm>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace blink {
namespace detail {

inline constexpr std::size_t most_message_bytes = std::size_t{64} << 20;
/// A process that takes nothing for so long is given up; its ends of the sockets hold more than what is ever under way.
inline constexpr std::chrono::seconds send_patience{1};
/// What the ranks allow rank 0 beyond the patience, as it knows who is missing.
inline constexpr std::chrono::seconds verdict_patience{2};
inline constexpr int ms_between_looks = 20;

/// "rank 2", "ranks 1, 2"
[[nodiscard]] inline std::string ranks_text(const std::vector<int>& ranks) {
    std::string text = ranks.size() == 1 ? "rank " : "ranks ";
    for (std::size_t i = 0; i < ranks.size(); ++i) { text += (i == 0 ? "" : ", ") + std::to_string(ranks[i]); }
    return text;
}

[[nodiscard]] inline meeting_failure has_left(int rank) {
    return {meeting_failure::reason::lost, rank, "rank " + std::to_string(rank) + " has left while others go on"};
}

[[nodiscard]] inline net::frame failure_frame(const meeting_failure& why) {
    net::packer body;
    body.number(static_cast<std::uint64_t>(why.what)).number(static_cast<std::uint64_t>(why.rank)).text(why.text);
    return {net::message::failed, body.take()};
}

} // namespace detail

BLINK_INLINE void meeting_failure::raise() const {
    switch (what) {
    case reason::none:
        return;
    case reason::lost:
        throw peer_lost_error(rank, text);
    case reason::timed_out:
        throw timeout_error(text);
    case reason::aborted:
        throw aborted_error(text);
    case reason::disagreed:
        throw plan_error(text);
    case reason::broken:
        throw rendezvous_error(text);
    }
}

BLINK_INLINE meeting::meeting(int rank, int size, std::vector<net::connection> to, std::chrono::milliseconds patience)
    : rank_(rank), size_(size), patience_(patience), to_(std::move(to)), open_(to_.size()), left_(to_.size()),
      parts_(static_cast<std::size_t>(size)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_.is_open()) { throw rendezvous_error("cannot make an event to wake a thread"); }
    for (std::size_t i = 0; i < to_.size(); ++i) { open_[i] = to_[i].is_open(); }
    watcher_ = std::thread([this] { run(); });
}

BLINK_INLINE meeting::~meeting() {
    {
        const std::scoped_lock lock(guard_);
        stop_ = true;
        tell_all({net::message::goodbye, {}});
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    watcher_.join();
}

BLINK_INLINE std::vector<std::string> meeting::exchange(std::string_view own) {
    std::unique_lock lock(guard_);
    failure_.raise();
    const std::uint64_t number = ++calls_;
    if (rank_ == 0) {
        hear_part(0, number, std::string(own));
        const std::uint64_t one = 1;
        (void)!::write(wake_.get(), &one, sizeof one); // the watcher has a new deadline
    } else if (left_[0]) {
        set_failure(detail::has_left(0));
    } else {
        tell(0, {net::message::part, net::packer().number(number).text(own).take()});
    }
    const auto done = [&] { return rounds_ >= number || failure_.what != meeting_failure::reason::none; };
    if (!news_.wait_until(lock, clock::now() + patience_ + detail::verdict_patience, done)) {
        set_failure({meeting_failure::reason::timed_out, 0,
                     "rank 0 has not answered rank " + std::to_string(rank_) + " for " +
                         std::to_string(patience_.count()) + " ms"});
    }
    if (rounds_ < number) { failure_.raise(); }
    return std::move(whole_);
}

BLINK_INLINE void meeting::claim(const std::string& name, const std::string& value) noexcept {
    const std::scoped_lock lock(guard_);
    if (rank_ == 0) {
        hear_claim(0, name, value);
    } else {
        tell(0, {net::message::claim, net::packer().text(name).text(value).take()});
    }
}

BLINK_INLINE void meeting::fail(const meeting_failure& why) noexcept {
    const std::scoped_lock lock(guard_);
    set_failure(why);
}

BLINK_INLINE meeting_failure meeting::failure() const {
    const std::scoped_lock lock(guard_);
    return failure_;
}

BLINK_INLINE void meeting::watch(std::function<void()> failed, std::function<std::string()> fault) {
    const std::scoped_lock lock(guard_);
    failed_ = std::move(failed);
    fault_ = std::move(fault);
    if (failed_ && failure_.what != meeting_failure::reason::none) { failed_(); }
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one); // it naps for less with something to look at
}

/// What the thread does: waits for bytes, an event, a deadline or the next look at the rank's faults.
BLINK_INLINE void meeting::run() {
    std::vector<pollfd> fds;
    std::vector<std::size_t> peers;
    {
        const std::scoped_lock lock(guard_);
        for (std::size_t i = 0; i < to_.size(); ++i) {
            if (open_[i]) { read_from(i); } // something may have come right behind the welcome
        }
    }
    for (;;) {
        fds.assign(1, {wake_.get(), POLLIN, 0});
        peers.clear();
        int timeout = 0;
        {
            const std::scoped_lock lock(guard_);
            if (stop_) { return; }
            for (std::size_t i = 0; i < to_.size(); ++i) {
                if (!open_[i]) { continue; }
                fds.push_back({to_[i].fd(), POLLIN, 0});
                peers.push_back(i);
            }
            timeout = nap();
        }
        if (::poll(fds.data(), fds.size(), timeout) < 0) { continue; }
        std::uint64_t events = 0;
        if (fds[0].revents != 0) { (void)!::read(wake_.get(), &events, sizeof events); }
        const std::scoped_lock lock(guard_);
        if (stop_) { return; }
        for (std::size_t i = 0; i < peers.size(); ++i) {
            if (fds[i + 1].revents != 0) { read_from(peers[i]); }
        }
        check_round();
        if (fault_ && failure_.what == meeting_failure::reason::none) {
            if (std::string text = fault_(); !text.empty()) {
                set_failure({meeting_failure::reason::timed_out, rank_, std::move(text)});
            }
        }
    }
}

/// How long the thread may wait, in the manner of poll.
BLINK_INLINE int meeting::nap() const {
    if (failure_.what != meeting_failure::reason::none) { return -1; }
    if (fault_) { return detail::ms_between_looks; }
    return round_ends_ ? net::ms_until(*round_ends_) : -1;
}

/// Hears all that has come over a connection, and notices its end.
BLINK_INLINE void meeting::read_from(std::size_t peer) {
    const bool alive = to_[peer].read_some();
    const int other = rank_of(peer);
    try {
        while (const auto f = to_[peer].take(detail::most_message_bytes)) { hear(peer, *f); }
    } catch (const rendezvous_error& e) {
        open_[peer] = false;
        set_failure(
            {meeting_failure::reason::broken, other, "rank " + std::to_string(other) + ": " + std::string(e.what())});
        return;
    }
    if (alive) { return; }
    open_[peer] = false;
    if (!left_[peer]) {
        set_failure({meeting_failure::reason::lost, other, "rank " + std::to_string(other) + "'s process ended"});
    }
}

BLINK_INLINE void meeting::hear(std::size_t peer, const net::frame& f) {
    net::unpacker body(f.body);
    const int other = rank_of(peer);
    switch (f.what) {
    case net::message::part: {
        const std::uint64_t number = body.number();
        hear_part(other, number, body.text());
        return;
    }
    case net::message::whole: {
        whole_.clear();
        for (int r = 0; r < size_; ++r) { whole_.push_back(body.text()); }
        ++rounds_;
        news_.notify_all();
        return;
    }
    case net::message::claim: {
        const std::string name = body.text();
        hear_claim(other, name, body.text());
        return;
    }
    case net::message::failed: {
        meeting_failure why;
        why.what = static_cast<meeting_failure::reason>(std::min<std::uint64_t>(body.number(), 5));
        why.rank = body.integer();
        why.text = body.text();
        set_failure(why);
        return;
    }
    case net::message::goodbye:
        left_[peer] = true;
        if (rank_ != 0 && calls_ > rounds_) { set_failure(detail::has_left(0)); }
        check_round();
        return;
    case net::message::hello:
    case net::message::welcome:
        throw rendezvous_error("it says hello again");
    }
}

/// Rank 0 collects.
BLINK_INLINE void meeting::hear_part(int rank, std::uint64_t number, std::string bytes) {
    auto& place = parts_[static_cast<std::size_t>(rank)];
    if (rank_ != 0 || number != rounds_ + 1 || place) { throw rendezvous_error("an exchange out of turn"); }
    place = std::move(bytes);
    if (!round_ends_) { round_ends_ = clock::now() + patience_; }
    check_round();
}

BLINK_INLINE void meeting::hear_claim(int rank, const std::string& name, const std::string& value) {
    const auto [known, is_new] = claims_.try_emplace(name, said{rank, value});
    if (is_new || known->second.value == value) { return; }
    set_failure({meeting_failure::reason::disagreed, rank,
                 "rank " + std::to_string(rank) + " and rank " + std::to_string(known->second.rank) +
                     " do not agree on " + name + ": " + value + " and " + known->second.value});
}

/// Rank 0: ends an exchange that is complete, that cannot become so, or that has lasted too long.
BLINK_INLINE void meeting::check_round() {
    if (!round_ends_ || failure_.what != meeting_failure::reason::none) { return; }
    std::vector<int> missing;
    for (std::size_t r = 0; r < parts_.size(); ++r) {
        if (parts_[r]) { continue; }
        missing.push_back(static_cast<int>(r));
        if (r != 0 && left_[r]) {
            set_failure(detail::has_left(static_cast<int>(r)));
            return;
        }
    }
    if (missing.empty()) {
        net::packer body;
        whole_.clear();
        for (auto& part : parts_) {
            body.text(*part);
            whole_.push_back(std::move(*part));
            part.reset();
        }
        round_ends_.reset();
        ++rounds_;
        tell_all({net::message::whole, body.take()});
        news_.notify_all();
    } else if (clock::now() >= *round_ends_) {
        set_failure(
            {meeting_failure::reason::timed_out, missing.front(),
             detail::ranks_text(missing) + " did not come within " + std::to_string(patience_.count()) + " ms"});
    }
}

BLINK_INLINE void meeting::set_failure(const meeting_failure& why) {
    if (failure_.what != meeting_failure::reason::none) { return; }
    failure_ = why;
    if (failed_) { failed_(); }
    tell_all(detail::failure_frame(why));
    news_.notify_all();
}

BLINK_INLINE void meeting::tell(std::size_t peer, const net::frame& f) {
    if (!open_[peer] || left_[peer]) { return; }
    // Who takes nothing is noticed as gone where the connection is read.
    (void)to_[peer].send(f, clock::now() + detail::send_patience);
}

BLINK_INLINE void meeting::tell_all(const net::frame& f) {
    for (std::size_t i = 0; i < to_.size(); ++i) { tell(i, f); }
}

} // namespace blink
