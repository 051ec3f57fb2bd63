// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Processes meet, one a rank; each is a real one.
#include <blink/communicator/rendezvous.hpp>
#include <blink/core/error.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "processes.hpp"

using blink::rendezvous;
using namespace process_test;
using namespace std::chrono_literals;

namespace {

/// A folder that goes with the test.
struct folder {
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "blink-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file() const { return (path / "job").string(); }
    [[nodiscard]] std::string address() const { return "file:" + file(); }
    [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(path); }
    std::filesystem::path path;
};

/// A port that was free a moment ago.
std::string free_port() {
    for (int port = 20000 + static_cast<int>(::getpid() % 20000);; ++port) {
        try {
            (void)blink::net::listen_tcp("127.0.0.1", std::to_string(port));
            return std::to_string(port);
        } catch (const blink::rendezvous_error&) { continue; }
    }
}

/// Rank and round, and bytes that a string might stumble over.
std::string gift(int rank, int round) {
    return std::string(static_cast<std::size_t>(rank * 1000 + round), '\0') + std::to_string(rank);
}

/// All exchanges that `rounds` asks for; the first gift that is wrong, or "fine".
std::string exchange_gifts(blink::meeting& met, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        const std::vector<std::string> all = met.exchange(gift(met.rank(), round));
        if (static_cast<int>(all.size()) != met.size()) { return "a gift is missing"; }
        for (int r = 0; r < met.size(); ++r) {
            if (all[static_cast<std::size_t>(r)] != gift(r, round)) { return "wrong gift of " + std::to_string(r); }
        }
    }
    return "fine";
}

void check_all_meet(const std::string& address, int size, int latest = -1) {
    processes ranks;
    for (int r = 0; r < size; ++r) {
        ranks.start([=] {
            if (r == latest) { std::this_thread::sleep_for(300ms); }
            return exchange_gifts(*rendezvous(address, 20s).meet(r, size), 40);
        });
    }
    for (int r = 0; r < size; ++r) { CHECK(ranks.said(r) == "fine"); }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("an address that is none is refused with what was expected") {
    for (const char* address : {"", "job42", "file:", "tcp://", "tcp://host", "tcp://:1", "tcp://host:", "tcp://host:x",
                                "tcp://host:0", "tcp://host:65536", "tcp://[]:1", "udp://host:1"}) {
        CAPTURE(address);
        CHECK_THROWS_AS(rendezvous{address}, blink::usage_error);
    }
    CHECK_THROWS_AS((rendezvous{"file:x", 0ms}), blink::usage_error);
    CHECK_THROWS_WITH_AS(rendezvous{"job42"},
                         "rendezvous 'job42': expected file:PATH, tcp://HOST:PORT or env:", blink::usage_error);
    CHECK_THROWS_WITH_AS((void)rendezvous{"file:x"}.meet(4, 4), "rank 4 of 4: expected one of 0..3",
                         blink::usage_error);
    CHECK_THROWS_AS((void)rendezvous{"file:x"}.meet(-1, 4), blink::usage_error);
    CHECK_THROWS_AS((void)rendezvous{"file:x"}.meet(0, 0), blink::usage_error);
}

TEST_CASE("ranks meet at a file, again and again, and leave nothing there") {
    const folder here;
    for (const int size : {1, 2, 5}) {
        for (const int latest : {-1, 0, size - 1}) {
            CAPTURE(size);
            CAPTURE(latest);
            check_all_meet(here.address(), size, latest);
            CHECK(here.is_empty());
        }
    }
}

TEST_CASE("ranks meet at a port, again and again") {
    const std::string port = free_port();
    check_all_meet("tcp://127.0.0.1:" + port, 3, 0);
    check_all_meet("tcp://localhost:" + port, 4, 2);
}

TEST_CASE("the environment says who a rank is") {
    const std::string port = free_port();
    processes ranks;
    for (int r = 0; r < 3; ++r) {
        ranks.start([=] {
            ::setenv("MASTER_ADDR", "127.0.0.1", 1);
            ::setenv("MASTER_PORT", "1", 1);
            ::setenv("WORLD_SIZE", "3", 1);
            ::setenv("RANK", std::to_string(r).c_str(), 1);
            const rendezvous at("env:" + port, 20s);
            const std::string other = outcome<blink::usage_error>([&] { (void)at.meet(r, 4); });
            if (!has(other, "but the environment says rank")) { return other; }
            return exchange_gifts(*at.meet(*at.rank(), *at.size()), 3);
        });
    }
    for (int r = 0; r < 3; ++r) { CHECK(ranks.said(r) == "fine"); }
    processes odd;
    odd.start([] {
        ::unsetenv("RANK");
        ::setenv("MASTER_ADDR", "127.0.0.1", 1);
        ::setenv("MASTER_PORT", "29500", 1);
        ::setenv("WORLD_SIZE", "two", 1);
        return outcome<blink::usage_error>([] { rendezvous("env:"); });
    });
    CHECK(odd.said(0) == "expected: WORLD_SIZE is 'two': expected a number from 1 to 1048576");
}

TEST_CASE("ranks that never come are named to all that have come") {
    const folder here;
    processes ranks;
    for (const int r : {0, 2}) {
        ranks.start([&, r] {
            return outcome<blink::timeout_error>([&] { (void)rendezvous(here.address(), 300ms).meet(r, 4); });
        });
    }
    for (const int number : {0, 1}) { CHECK(has(ranks.said(number), "expected: ranks 1, 3 of 4 did not come to")); }
    CHECK(here.is_empty());
    processes alone;
    alone.start(
        [&] { return outcome<blink::timeout_error>([&] { (void)rendezvous(here.address(), 200ms).meet(1, 2); }); });
    CHECK(has(alone.said(0), "rank 0 has not written the file"));
}

TEST_CASE("sizes that differ and ranks that are there twice are told to all") {
    const folder here;
    const auto meet = [&](int rank, int size) {
        return [&here, rank, size] {
            return outcome<blink::usage_error>([&] { (void)rendezvous(here.address(), 20s).meet(rank, size); });
        };
    };
    {
        processes ranks;
        for (const auto& [rank, size] : {std::array{0, 4}, std::array{1, 4}}) { ranks.start(meet(rank, size)); }
        std::this_thread::sleep_for(100ms);
        ranks.start(meet(2, 3));
        for (const int r : {0, 1, 2}) { CHECK(ranks.said(r) == "expected: rank 2 was told of 3 ranks, rank 0 of 4"); }
    }
    {
        processes ranks;
        for (const int rank : {0, 1, 1}) { ranks.start(meet(rank, 3)); }
        for (const int r : {0, 1, 2}) { CHECK(ranks.said(r) == "expected: two processes say that they are rank 1"); }
    }
    {
        processes ranks;
        ranks.start(meet(0, 3));
        ranks.start(meet(1, 3));
        std::this_thread::sleep_for(200ms);
        ranks.start(meet(0, 3));
        for (const int r : {0, 1, 2}) { CHECK(has(ranks.said(r), "two processes say that they are rank 0")); }
    }
}

TEST_CASE("what a crashed job left is not taken for this one's") {
    const folder here;
    for (int crash = 0; crash < 3; ++crash) {
        processes crashed;
        crashed.start([&] { return exchange_gifts(*rendezvous(here.address(), 20s).meet(0, 3), 1); });
        while (!std::filesystem::exists(here.file())) { std::this_thread::sleep_for(1ms); }
        if (crash == 1) {
            crashed.start([&] { return exchange_gifts(*rendezvous(here.address(), 20s).meet(1, 3), 1); });
        }
        std::this_thread::sleep_for(100ms);
        processes late;
        if (crash == 2) {
            late.start([&] { return exchange_gifts(*rendezvous(here.address(), 20s).meet(2, 4), 1); });
        }
        crashed.kill(0);
        CHECK(std::filesystem::exists(here.file()));
        processes waits; // a rank of the new job comes before its rank 0 and sees the old file
        waits.start([&] { return exchange_gifts(*rendezvous(here.address(), 20s).meet(1, 2), 5); });
        std::this_thread::sleep_for(100ms);
        if (crash == 1) { crashed.kill(1); }
        waits.start([&] { return exchange_gifts(*rendezvous(here.address(), 20s).meet(0, 2), 5); });
        if (crash == 2) { continue; } // sizes differ: told, or not met, but never mixed up; `late` goes by force
        CHECK(waits.said(0) == "fine");
        CHECK(waits.said(1) == "fine");
        CHECK(here.is_empty());
    }
}

TEST_CASE("a file that is something else is neither taken nor overwritten") {
    const folder here;
    std::ofstream(here.file()) << "blink rendezvous 1\nmy thesis\n";
    processes ranks;
    ranks.start([&] { return outcome<blink::usage_error>([&] { (void)rendezvous(here.address(), 5s).meet(0, 2); }); });
    ranks.start(
        [&] { return outcome<blink::timeout_error>([&] { (void)rendezvous(here.address(), 200ms).meet(1, 2); }); });
    CHECK(has(ranks.said(0), "there is something else already"));
    CHECK(has(ranks.said(1), "the file holds something else"));
    std::ifstream in(here.file());
    CHECK(has({std::istreambuf_iterator<char>(in), {}}, "my thesis"));
    std::ofstream(here.file(), std::ios::trunc) << "";
    check_all_meet(here.address(), 2); // mktemp makes empty files
    processes nowhere;
    nowhere.start([&] {
        const std::string inside = "file:" + (here.path / "none" / "job").string();
        return outcome<blink::rendezvous_error>([&] { (void)rendezvous(inside, 200ms).meet(0, 2); });
    });
    CHECK(has(nowhere.said(0), "No such file or directory"));
}

TEST_CASE("strangers at the port are ignored, and a port in use is refused") {
    const std::string port = free_port();
    const std::string address = "tcp://127.0.0.1:" + port;
    processes ranks;
    ranks.start([&] { return exchange_gifts(*rendezvous(address, 20s).meet(0, 2), 5); });
    std::string why;
    const auto knock = [&] {
        std::optional<blink::net::connection> c;
        while (!c) { c = blink::net::connect_tcp("127.0.0.1", port, blink::net::clock::now() + 1s, why); }
        return std::move(*c);
    };
    auto silent = knock();
    auto garbled = knock();
    CHECK(::send(garbled.fd(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
    auto wrong = knock();
    CHECK(wrong.send({blink::net::message::hello, "x"}, blink::net::clock::now() + 1s));
    auto liar = knock();
    CHECK(liar.send({blink::net::message::hello, blink::net::packer().text("blink 1").text("?").take()},
                    blink::net::clock::now() + 1s));
    CHECK_THROWS_AS((void)rendezvous(address, 1s).meet(0, 2), blink::rendezvous_error);
    ranks.start([&] { return exchange_gifts(*rendezvous(address, 20s).meet(1, 2), 5); });
    CHECK(ranks.said(0) == "fine");
    CHECK(ranks.said(1) == "fine");
}
