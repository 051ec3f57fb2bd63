// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How rank 0 gathers the others, and how they join: from a socket that listens to a connection for each rank.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace blink::detail {

inline constexpr std::size_t most_hello_bytes = 4096;
inline constexpr std::string_view greeting = "blink 1";

[[nodiscard]] inline net::frame hello_frame(const std::string& token, int rank, int size) {
    net::packer body;
    body.text(greeting).text(token).number(static_cast<std::uint64_t>(rank)).number(static_cast<std::uint64_t>(size));
    return {net::message::hello, body.take()};
}

/// Why a gathering comes to nothing; told to all that have come.
struct refusal {
    enum class kind : std::uint8_t { usage, timeout, lost };
    kind what = kind::usage;
    int rank = -1;
    std::string text{};

    [[noreturn]] void raise() const {
        if (what == kind::usage) { throw usage_error(text); }
        if (what == kind::timeout) { throw timeout_error(text); }
        throw peer_lost_error(rank, text);
    }
    [[nodiscard]] net::frame to_frame() const {
        return {net::message::failed, net::packer()
                                          .number(static_cast<std::uint64_t>(what))
                                          .number(static_cast<std::uint64_t>(rank))
                                          .text(text)
                                          .take()};
    }
    [[nodiscard]] static refusal from(const net::frame& f) {
        net::unpacker body(f.body);
        refusal r;
        r.what = static_cast<kind>(body.number() % 3);
        r.rank = body.integer();
        r.text = body.text();
        return r;
    }
};

/// Rank 0's side.
class gathering {
  public:
    gathering(net::listener at, std::string token, int size, std::chrono::milliseconds timeout)
        : at_(std::move(at)), token_(std::move(token)), size_(size), timeout_(timeout),
          ends_(net::clock::now() + timeout), joined_(static_cast<std::size_t>(size)) {}

    /// Connections by rank, once all are there; that of rank 0 is not open.
    /// @throw usage_error, timeout_error, peer_lost_error; all that have come are told
    [[nodiscard]] std::vector<net::connection> all() {
        try {
            while (!missing().empty()) {
                wait();
                accept();
                for (auto s = strangers_.begin(); s != strangers_.end();) { s = hear(s); }
                look_after_joined();
                if (const auto ranks = missing(); !ranks.empty() && net::clock::now() >= ends_) {
                    refuse({refusal::kind::timeout, ranks.front(), said_missing(ranks)});
                }
            }
        } catch (const refused& e) {
            const auto soon = net::clock::now() + std::chrono::seconds{1};
            for (net::connection& c : joined_) {
                if (c.is_open()) { (void)c.send(e.why.to_frame(), soon); }
            }
            for (net::connection& c : strangers_) { (void)c.send(e.why.to_frame(), soon); }
            e.why.raise();
        }
        for (std::size_t r = 1; r < joined_.size(); ++r) {
            (void)joined_[r].send({net::message::welcome, {}}, net::clock::now() + timeout_);
        }
        return std::move(joined_);
    }

  private:
    struct refused {
        refusal why;
    };
    using stranger = std::list<net::connection>::iterator;

    [[noreturn]] static void refuse(refusal why) { throw refused{std::move(why)}; }

    [[nodiscard]] std::vector<int> missing() const {
        std::vector<int> ranks;
        for (int r = 1; r < size_; ++r) {
            if (!joined_[static_cast<std::size_t>(r)].is_open()) { ranks.push_back(r); }
        }
        return ranks;
    }

    [[nodiscard]] std::string said_missing(const std::vector<int>& ranks) const {
        std::string text = ranks.size() == 1 ? "rank" : "ranks";
        for (const int r : ranks) { text += (r == ranks.front() ? " " : ", ") + std::to_string(r); }
        return text + " of " + std::to_string(size_) + " did not come to " + at_.address + " within " +
               std::to_string(timeout_.count()) + " ms";
    }

    void wait() {
        std::vector<pollfd> fds{{at_.socket.get(), POLLIN, 0}};
        for (const net::connection& c : strangers_) { fds.push_back({c.fd(), POLLIN, 0}); }
        for (const net::connection& c : joined_) {
            if (c.is_open()) { fds.push_back({c.fd(), POLLIN, 0}); }
        }
        (void)::poll(fds.data(), fds.size(), net::ms_until(ends_));
    }

    void accept() {
        while (auto c = net::accept_one(at_)) { strangers_.push_back(std::move(*c)); }
    }

    /// Takes up who says hello; who ends, or says something else, was never meant to come.
    stranger hear(stranger s) {
        const bool alive = s->read_some();
        std::optional<net::frame> f;
        try {
            f = s->take(most_hello_bytes);
            if (f && f->what == net::message::hello) { return join(s, net::unpacker(f->body)); }
        } catch (const rendezvous_error&) { return strangers_.erase(s); }
        return alive && !f ? std::next(s) : strangers_.erase(s);
    }

    stranger join(stranger s, net::unpacker body) {
        if (body.text() != greeting || body.text() != token_) { return strangers_.erase(s); }
        const int rank = body.integer();
        const int size = body.integer();
        const std::string who = "rank " + std::to_string(rank);
        if (size != size_) {
            refuse({refusal::kind::usage, rank,
                    who + " was told of " + std::to_string(size) + " ranks, rank 0 of " + std::to_string(size_)});
        }
        if (rank == 0 || joined_[static_cast<std::size_t>(rank)].is_open()) {
            refuse({refusal::kind::usage, rank, "two processes say that they are " + who});
        }
        joined_[static_cast<std::size_t>(rank)] = std::move(*s);
        return strangers_.erase(s);
    }

    /// Who has come waits and says nothing.
    void look_after_joined() {
        for (int r = 1; r < size_; ++r) {
            net::connection& c = joined_[static_cast<std::size_t>(r)];
            if (!c.is_open() || c.read_some()) { continue; }
            refuse({refusal::kind::lost, r,
                    "rank " + std::to_string(r) + " ended or gave up while others were still to come"});
        }
    }

    net::listener at_;
    std::string token_;
    int size_;
    std::chrono::milliseconds timeout_;
    net::clock::time_point ends_;
    std::list<net::connection> strangers_;
    std::vector<net::connection> joined_; ///< by rank
};

/// The side of all other ranks: knocks until rank 0 opens.
/// @param knock (deadline, token to be set, why) -> optional connection
/// @throw what rank 0 says; timeout_error where it says nothing in time
template <class Knock>
[[nodiscard]] net::connection join(int rank, int size, const std::string& where, std::chrono::milliseconds timeout,
                                   const Knock& knock) {
    const auto ends = net::clock::now() + timeout;
    // Rank 0 may have started its own wait a little later, and knows who is missing.
    const auto verdict_ends = ends + std::chrono::seconds{2};
    constexpr std::chrono::milliseconds most_pause{100};
    std::string why = "nobody listens there";
    for (auto pause = std::chrono::milliseconds{2}; net::clock::now() < ends;
         pause = std::min<std::chrono::milliseconds>(2 * pause, most_pause)) {
        std::string token;
        std::optional<net::connection> c = knock(ends, token, why);
        if (c && c->send(hello_frame(token, rank, size), ends)) {
            why = "rank 0 is there and waits for others, or what answers is not rank 0";
            for (bool alive = true; alive && net::clock::now() < verdict_ends;) {
                pollfd p{c->fd(), POLLIN, 0};
                if (::poll(&p, 1, net::ms_until(verdict_ends)) < 1) { continue; }
                alive = c->read_some();
                const auto f = c->take(most_hello_bytes);
                if (f && f->what == net::message::welcome) { return std::move(*c); }
                if (f && f->what == net::message::failed) { refusal::from(*f).raise(); }
                if (f) { break; }
                if (!alive) { why = "rank 0's process ended, or what answers is not rank 0"; }
            }
        }
        std::this_thread::sleep_for(std::min<net::clock::duration>(pause, ends - net::clock::now()));
    }
    throw timeout_error("rank " + std::to_string(rank) + " did not meet the others at " + where + " within " +
                        std::to_string(timeout.count()) + " ms: " + why);
}

} // namespace blink::detail
