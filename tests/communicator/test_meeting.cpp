// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What processes that have met tell each other, above all that one of them is gone.
#include <blink/communicator/meeting.hpp>
#include <blink/core/error.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "processes.hpp"

using blink::meeting;
using namespace process_test;
using namespace std::chrono_literals;

namespace {

using connections = std::vector<blink::net::connection>;

/// The connections of every rank, made before the processes are.
class joined {
  public:
    explicit joined(int size) : of_(static_cast<std::size_t>(size)) {
        of_[0].resize(1);
        for (std::size_t r = 1; r < of_.size(); ++r) {
            int ends[2];
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
            of_[0].emplace_back(blink::net::descriptor(ends[0]));
            of_[r].emplace_back(blink::net::descriptor(ends[1]));
        }
    }

    /// The meeting as `rank` sees it; the ends of other ranks are closed here.
    std::unique_ptr<meeting> as(int rank, std::chrono::milliseconds patience) {
        connections own = std::move(of_[static_cast<std::size_t>(rank)]);
        const int size = static_cast<int>(of_.size());
        of_.clear();
        return std::make_unique<meeting>(rank, size, std::move(own), patience);
    }

    void close() { of_.clear(); }

    /// In one process: by rank.
    std::vector<std::unique_ptr<meeting>> all(std::chrono::milliseconds patience) {
        std::vector<std::unique_ptr<meeting>> all;
        for (std::size_t r = 0; r < of_.size(); ++r) {
            all.push_back(std::make_unique<meeting>(static_cast<int>(r), static_cast<int>(of_.size()),
                                                    std::move(of_[r]), patience));
        }
        return all;
    }

  private:
    std::vector<connections> of_;
};

/// Waits until the meeting has failed; what it says then.
blink::meeting_failure failure_of(const meeting& m) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (m.failure().what == blink::meeting_failure::reason::none && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(1ms);
    }
    return m.failure();
}

/// Ranks meet, rank `victim` is killed while the others wait for it, or are at something else.
void check_killed(int size, int victim, bool waiting) {
    CAPTURE(size);
    CAPTURE(victim);
    CAPTURE(waiting);
    joined sockets(size);
    const milestone met_once;
    processes ranks;
    for (int r = 0; r < size; ++r) {
        ranks.start([&, r] {
            const auto met = sockets.as(r, 20s);
            std::atomic<int> woken = 0;
            met->watch([&] { ++woken; }, {});
            (void)met->exchange("first");
            met_once.reach();
            if (r == victim) { std::this_thread::sleep_for(60s); }
            if (!waiting) { (void)failure_of(*met); }
            const std::string first = outcome<blink::peer_lost_error>([&] { (void)met->exchange("second"); });
            const std::string again = outcome<blink::aborted_error>([&] { (void)met->exchange("third"); });
            met->watch({}, {});
            return first + (first == again && woken == 1 && met->failure().rank == victim ? "" : " (not kept)");
        });
    }
    sockets.close();
    REQUIRE(met_once.wait_for(size));
    const auto before = std::chrono::steady_clock::now();
    ranks.kill(victim);
    for (int r = 0; r < size; ++r) {
        if (r != victim) { CHECK(ranks.said(r) == "expected: rank " + std::to_string(victim) + "'s process ended"); }
    }
    CHECK(std::chrono::steady_clock::now() - before < 5s);
}

} // namespace

TEST_CASE("a process that is killed is named on all others, soon") {
    for (const bool waiting : {true, false}) {
        check_killed(2, 0, waiting);
        check_killed(2, 1, waiting);
        check_killed(4, 0, waiting);
        check_killed(4, 2, waiting);
    }
}

TEST_CASE("ranks that do not come to an exchange are named to the others") {
    for (const int early : {0, 2}) {
        joined sockets(4);
        auto ranks = sockets.all(200ms);
        const std::string expected =
            early == 0 ? "ranks 1, 2, 3 did not come within 200 ms" : "ranks 0, 1, 3 did not come within 200 ms";
        CHECK_THROWS_WITH_AS((void)ranks[static_cast<std::size_t>(early)]->exchange("x"), expected.c_str(),
                             blink::timeout_error);
        for (const auto& m : ranks) { CHECK(failure_of(*m).text == expected); }
    }
}

TEST_CASE("exchanges of many threads are right, and large") {
    joined sockets(5);
    auto ranks = sockets.all(20s);
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> threads;
        for (const auto& m : ranks) {
            threads.emplace_back([&wrong, &m] {
                for (int round = 0; round < 100; ++round) {
                    const std::size_t bytes = round % 10 == 0 ? 300'000 : 10;
                    const auto all = m->exchange(std::string(bytes, static_cast<char>('a' + m->rank() + round % 7)));
                    for (int r = 0; r < m->size(); ++r) {
                        const std::string expected(bytes, static_cast<char>('a' + r + round % 7));
                        wrong += all[static_cast<std::size_t>(r)] == expected ? 0 : 1;
                    }
                }
            });
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("a rank that leaves is not taken for dead until it is needed") {
    for (const std::size_t leaver : {0U, 2U}) {
        CAPTURE(leaver);
        joined sockets(3);
        auto ranks = sockets.all(20s);
        ranks[leaver].reset();
        std::this_thread::sleep_for(50ms);
        for (const auto& m : ranks) {
            if (m) { CHECK(m->failure().what == blink::meeting_failure::reason::none); }
        }
        const std::string expected = "rank " + std::to_string(leaver) + " has left while others go on";
        CHECK_THROWS_WITH_AS((void)ranks[1]->exchange("x"), expected.c_str(), blink::peer_lost_error);
    }
}

TEST_CASE("all ranks hear of a failure, whoever tells, and keep the first") {
    using blink::meeting_failure;
    for (const std::size_t teller : {0U, 1U, 3U}) {
        joined sockets(4);
        auto ranks = sockets.all(20s);
        std::atomic<int> woken = 0;
        for (const auto& m : ranks) {
            m->watch([&] { ++woken; }, {});
        }
        ranks[teller]->fail({meeting_failure::reason::aborted, static_cast<int>(teller), "enough"});
        for (const auto& m : ranks) {
            CHECK(failure_of(*m).rank == static_cast<int>(teller));
            m->fail({meeting_failure::reason::timed_out, 1, "too late"});
            CHECK_THROWS_WITH_AS((void)m->exchange("x"), "enough", blink::aborted_error);
        }
        CHECK(woken == 4);
        for (const auto& m : ranks) {
            m->watch([&] { ++woken; }, {});
        } // who comes late is told as well
        CHECK(woken == 8);
    }
}

TEST_CASE("a fault on one rank becomes everyone's") {
    for (const std::size_t where : {0U, 1U}) {
        joined sockets(3);
        auto ranks = sockets.all(20s);
        std::atomic<bool> faulty = false;
        ranks[where]->watch({}, [&] { return faulty ? std::string("rank waited too long") : std::string(); });
        (void)ranks[where]->failure();
        std::this_thread::sleep_for(50ms);
        CHECK(ranks[2]->failure().what == blink::meeting_failure::reason::none);
        faulty = true;
        for (const auto& m : ranks) {
            CHECK(failure_of(*m).text == "rank waited too long");
            CHECK_THROWS_AS(m->failure().raise(), blink::timeout_error);
        }
        ranks[where]->watch({}, {});
    }
}

TEST_CASE("ranks that do not claim the same fail, those that do go on") {
    joined sockets(3);
    auto ranks = sockets.all(20s);
    for (const auto& m : ranks) { m->claim("the plan of allreduce", "a"); }
    ranks[2]->claim("the plan of reduce", "b");
    {
        std::vector<std::jthread> threads;
        for (const auto& m : ranks) {
            threads.emplace_back([&m] { (void)m->exchange("claims have arrived"); });
        }
    }
    CHECK(ranks[0]->failure().what == blink::meeting_failure::reason::none);
    ranks[1]->claim("the plan of reduce", "c");
    for (const auto& m : ranks) {
        CHECK(failure_of(*m).text == "rank 1 and rank 2 do not agree on the plan of reduce: c and b");
        CHECK_THROWS_AS(m->failure().raise(), blink::plan_error);
    }
}

TEST_CASE("bytes that are no message fail the meeting") {
    for (const std::string& bytes : {std::string("HTTP/1.1 200 OK\r\n\r\n"), std::string(8, '\xFF'),
                                     blink::net::packer().number(3 | 8 << 8).number(77).take()}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        connections to(1);
        to.emplace_back(blink::net::descriptor(ends[0]));
        meeting m(0, 2, std::move(to), 20s);
        const blink::net::descriptor other(ends[1]);
        CHECK(::send(other.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
        CHECK(failure_of(m).what == blink::meeting_failure::reason::broken);
    }
}
