// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <thread>

#include "fakes.hpp"

using namespace preload_test;

namespace {

constexpr nccl::unique_id some_id{{'a', 'b', 0, 'c'}};

/// NCCL fills the program's handle in when the group ends.
nccl::result group_of_two(program& p) {
    p.blink.group_start();
    p.call(0, 8);
    p.call(1, 8);
    return p.blink.group_end();
}

bool is_blinks(program& p) {
    (void)written().taken();
    group_of_two(p);
    return written().taken().front() == "blink allreduce 8 among 2";
}

} // namespace

TEST_CASE("ranks that one thread makes in a group are known from its end on") {
    program p(0);
    nccl::communicator* made[2] = {};
    p.blink.group_start();
    for (const int r : {0, 1}) { p.blink.init_rank(&made[r], 2, some_id, r, true, yes); }
    CHECK(alive() == 0);
    made[0] = comm(0);
    made[1] = comm(1);
    p.blink.group_end();
    CHECK(alive() == 1);
    CHECK(is_blinks(p));
}

TEST_CASE("ranks made by a thread each are known once all are there") {
    program p(0);
    std::thread([&] {
        nccl::communicator* made = comm(1);
        p.blink.init_rank(&made, 2, some_id, 1, true, yes);
    }).join();
    CHECK(alive() == 0);
    nccl::communicator* made = comm(0);
    p.blink.init_rank(&made, 2, some_id, 0, true, yes);
    CHECK(is_blinks(p));
}

TEST_CASE("communicators are NCCL's where a rank is elsewhere, calls do not block, or NCCL refused") {
    program p(0);
    nccl::communicator* made[2] = {comm(0), comm(1)};
    SUBCASE("a rank is in another process") { p.blink.init_rank(&made[0], 2, some_id, 0, true, yes); }
    SUBCASE("another job's ranks") {
        nccl::unique_id other = some_id;
        other.internal[100] = 'x';
        p.blink.init_rank(&made[0], 2, some_id, 0, true, yes);
        p.blink.init_rank(&made[1], 2, other, 1, true, yes);
    }
    SUBCASE("not blocking") {
        for (const int r : {0, 1}) { p.blink.init_rank(&made[r], 2, some_id, r, false, yes); }
    }
    SUBCASE("refused") {
        CHECK(p.blink.init_all(made, 2, [] { return nccl::system_error; }) == nccl::system_error);
    }
    SUBCASE("one GPU twice") {
        p.nccl.same_device = true;
        p.blink.init_all(made, 2, yes);
    }
    SUBCASE("the group failed") {
        p.nccl.end_answer = nccl::system_error;
        p.blink.group_start();
        p.blink.init_all(made, 2, yes);
        CHECK(p.blink.group_end() == nccl::system_error);
        p.nccl.end_answer = nccl::success;
    }
    CHECK(alive() == 0);
    CHECK(!is_blinks(p));
}

TEST_CASE("one rank alone, and everything under BLINK_DISABLE=1, is NCCL's") {
    settings off;
    off.disabled.fill(true);
    program p(2, off);
    CHECK(alive() == 0);
    const program alone(1);
    CHECK(alive() == 0);
}

TEST_CASE("a rank that is finalized or destroyed first waits for what Blink runs; NCCL has the rest") {
    program p(2);
    CHECK(p.blink.end(comm(0), interposer::ending::finalize, yes) == nccl::success);
    CHECK(written().taken() == lines{"finish"});
    CHECK(!is_blinks(p));
    for (const std::size_t r : {0U, 1U}) { p.blink.end(comm(r), interposer::ending::destroy, yes); }
    CHECK(alive() == 0);
}

TEST_CASE("an abort ends what Blink runs before NCCL hears of it, and the last rank frees what Blink had") {
    program p(2);
    lines seen;
    p.blink.end(comm(1), interposer::ending::abort, [&] {
        seen = written().taken();
        return nccl::success;
    });
    CHECK(seen == lines{"abort"});
    CHECK(alive() == 1);
    p.blink.end(comm(0), interposer::ending::abort, yes);
    CHECK(alive() == 0);
}

TEST_CASE("an address that NCCL gives out again is a new communicator") {
    program p(2);
    for (const std::size_t r : {0U, 1U}) { p.blink.end(comm(r), interposer::ending::destroy, yes); }
    p.blink.init_all(p.comms.data(), 2, yes);
    CHECK(is_blinks(p));
}

TEST_CASE("a rank destroyed before the others came does not complete a later set") {
    program p(0);
    nccl::communicator* made[2] = {comm(0), comm(1)};
    p.blink.init_rank(&made[0], 2, some_id, 0, true, yes);
    p.blink.end(comm(0), interposer::ending::destroy, yes);
    p.blink.init_rank(&made[1], 2, some_id, 1, true, yes);
    CHECK(alive() == 0);
}

TEST_CASE("calls that wait in a group go to NCCL before their communicator ends") {
    program p(2);
    p.blink.group_start();
    p.call(0, 8);
    p.call(1, 8);
    p.blink.end(comm(0), interposer::ending::destroy, yes);
    CHECK(written().taken() == lines{"nccl allreduce 8 on 0", "nccl allreduce 8 on 1", "finish"});
    p.blink.group_end();
}

TEST_CASE("threads with communicators of their own do not disturb one another") {
    program p(0);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&p, t] {
            for (int round = 0; round < 50; ++round) {
                nccl::communicator* made[2] = {comm(10 * t), comm(10 * t + 1)};
                p.blink.init_all(made, 2, yes);
                p.blink.group_start();
                p.call(10 * t, 8);
                p.call(10 * t + 1, 8);
                p.blink.group_end();
                for (nccl::communicator* c : made) { p.blink.end(c, interposer::ending::destroy, yes); }
            }
        });
    }
    for (std::thread& t : threads) { t.join(); }
    CHECK(std::ranges::count(written().taken(), "blink allreduce 8 among 2") == 4 * 50);
}
