// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <string>
#include <thread>
#include <vector>

#include "two_processes.hpp"

using namespace preload_test;

TEST_CASE("the rendezvous follows from all bytes of the id, and lies where the user says") {
    settings s;
    const std::string address = rendezvous_address(some_id, s);
    CHECK(address.starts_with("file:/tmp/blink-"));
    CHECK(address.size() == std::string("file:/tmp/blink-").size() + 32);
    CHECK(rendezvous_address(some_id, s) == address);
    for (const std::size_t byte : {0U, 2U, 64U, 127U}) {
        nccl::unique_id other = some_id;
        other.internal[byte] = static_cast<char>(other.internal[byte] + 1);
        CHECK(rendezvous_address(other, s) != address);
    }
    s.rendezvous_folder = "/somewhere";
    CHECK(rendezvous_address(some_id, s).starts_with("file:/somewhere/blink-"));
}

TEST_CASE("all ranks take a communicator, or none, and are told the same reason") {
    const folder here;
    const settings s = choices(here);
    fake() = {};
    CHECK(told({s, s, s}, make_part) == std::array<std::string, 3>{});
    const std::string reason = "rank 1: no memory";
    CHECK(told({s, s, s}, make_but_for_rank_1) == std::array{reason, reason, reason});
    settings other = s;
    other.disabled[0] = true;
    for (const std::string& said : told({s, s, other}, make_part)) {
        CHECK(said.find("rank 2 has") != std::string::npos);
        CHECK(said.find("BLINK_DISABLE broadcast") != std::string::npos);
    }
    CHECK(std::filesystem::is_empty(here.path));
    (void)written().taken();
}

TEST_CASE("a rank whose others do not come waits no longer than it may") {
    const folder here;
    settings s = choices(here);
    s.rendezvous_timeout = 100ms;
    const auto began = std::chrono::steady_clock::now();
    for (const int rank : {0, 1}) {
        CHECK_THROWS_AS((void)agree({rank, 2, 0, rendezvous_address(some_id, s)}, s, make_part), blink::timeout_error);
    }
    CHECK(std::chrono::steady_clock::now() - began < 5s);
    CHECK(written().taken().empty());
}

TEST_CASE("one rank's call of several processes goes to Blink at once, or at the end of its group") {
    const folder here;
    both(choices(here), make_part, [](one_of_two& p, int r) {
        CHECK(p.blink.collective(call_on(r, 5)) == nccl::success);
        p.blink.group_start();
        p.blink.collective(call_on(r, 6));
        collective_call other = call_on(r, 7);
        other.stream = stream(3); // of which the other rank does not know
        p.blink.collective(other);
        CHECK(p.blink.group_end() == nccl::success);
    });
    CHECK(sorted(written().taken()) == lines{"blink allreduce 5 among 1", "blink allreduce 5 among 1",
                                             "blink allreduce 6 among 1", "blink allreduce 6 among 1",
                                             "blink allreduce 7 among 1", "blink allreduce 7 among 1",
                                             "made 0 of 2 on GPU 0", "made 1 of 2 on GPU 1", "nccl end", "nccl end"});
    CHECK(alive() == 0);
}

TEST_CASE("where one process cannot, NCCL has the communicator in all of them") {
    const folder here;
    both(choices(here), make_but_for_rank_1, [](one_of_two& p, int r) {
        (void)p.blink.collective(call_on(r, 5));
        CHECK(p.blink.last_error(comm(static_cast<std::size_t>(r))).empty());
    });
    CHECK(sorted(written().taken()) ==
          lines{"abort", "made 0 of 2 on GPU 0", "nccl allreduce 5 on 0", "nccl allreduce 5 on 1"});
}

TEST_CASE("a rank that is lost is an error of the communicator, and an abort frees it") {
    const folder here;
    both(choices(here), make_part, [](one_of_two& p, int r) {
        if (r != 0) { return; }
        fake().trouble = "rank 1's process ended";
        nccl::result error = nccl::success;
        CHECK(p.blink.async_error(comm(0), &error, yes) == nccl::success);
        CHECK(error == nccl::remote_error);
        CHECK(p.blink.collective(call_on(0, 5)) == nccl::remote_error);
        CHECK(p.blink.last_error(comm(0)) == "rank 1's process ended");
        CHECK(p.blink.end(comm(0), interposer::ending::abort, yes) == nccl::success);
        CHECK(p.blink.last_error(nullptr) == "rank 1's process ended");
    });
    fake() = {};
    CHECK(std::ranges::count(written().taken(), "abort") == 1);
    CHECK(alive() == 0);
}

TEST_CASE("nobody waits for other processes where the launcher names several machines, or all ranks are here") {
    const folder here;
    settings s = choices(here);
    s.rendezvous_timeout = 1h;
    (void)written().taken();
    SUBCASE("several machines") {
        s.several_machines = true;
        const one_of_two p(s, 0, make_part);
        CHECK(written().taken().empty());
    }
    SUBCASE("all ranks here, in one group") {
        fake_nccl nccl;
        interposer blink(nccl, make_fake, make_part, s);
        nccl::communicator* made[2] = {comm(0), comm(1)};
        blink.group_start();
        for (const int r : {0, 1}) { blink.init_rank(&made[r], 2, some_id, r, true, yes); }
        blink.group_end();
        CHECK(written().taken() == lines{"nccl end"});
        CHECK(alive() == 1);
    }
    SUBCASE("all ranks here, a thread each, which NCCL makes wait for one another") {
        fake_nccl nccl;
        interposer blink(nccl, make_fake, make_part, s);
        nccl::communicator* made[2] = {comm(0), comm(1)};
        std::latch both_came(2);
        std::vector<std::thread> threads;
        for (const int r : {0, 1}) {
            threads.emplace_back([&, r] {
                blink.init_rank(&made[r], 2, some_id, r, true, [&] {
                    both_came.arrive_and_wait();
                    return nccl::success;
                });
            });
        }
        for (std::thread& t : threads) { t.join(); }
        CHECK(written().taken().empty());
        CHECK(alive() == 1);
    }
}

TEST_CASE("two ranks here of more in one group meet at the same time, and fail together where others are missing") {
    const folder here;
    settings s = choices(here);
    s.rendezvous_timeout = 200ms;
    fake_nccl nccl;
    interposer blink(nccl, make_fake, make_part, s);
    nccl::communicator* made[2] = {comm(0), comm(1)};
    blink.group_start();
    for (const int r : {0, 1}) { blink.init_rank(&made[r], 3, some_id, r, true, yes); }
    CHECK(blink.group_end() == nccl::success);
    CHECK(written().taken() == lines{"nccl end"});
    CHECK(alive() == 0);
}
