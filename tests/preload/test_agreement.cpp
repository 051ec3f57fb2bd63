// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <thread>
#include <unistd.h>

#include "agreement.hpp"
#include "fakes.hpp"

using namespace preload_test;
using namespace std::chrono_literals;

namespace {

constexpr nccl::unique_id some_id{{'a', 'b', 0, 'c'}};

/// A folder of this test alone.
struct folder {
    folder() : path(std::filesystem::temp_directory_path() / ("blink-agreement-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path);
    }
    ~folder() { std::filesystem::remove_all(path); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    std::filesystem::path path;
};

settings choices(const folder& at) {
    settings s;
    s.rendezvous_folder = at.path.string();
    s.rendezvous_timeout = 5s;
    return s;
}

std::unique_ptr<executor> make_part(const process_place& at, const settings&) {
    written().add("made " + std::to_string(at.rank) + " of " + std::to_string(at.ranks) + " on GPU " +
                  std::to_string(at.device));
    return std::make_unique<fake_executor>();
}
std::unique_ptr<executor> make_but_for_rank_1(const process_place& at, const settings& s) {
    if (at.rank == 1) { throw blink::cuda_error("no memory"); }
    return make_part(at, s);
}

/// What each of three ranks was told; empty where it has an executor.
std::array<std::string, 3> told(const std::array<settings, 3>& chosen, process_executor_maker make) {
    std::array<std::string, 3> said;
    std::vector<std::thread> ranks;
    for (int r = 0; r < 3; ++r) {
        ranks.emplace_back([&, r] {
            const auto i = static_cast<std::size_t>(r);
            try {
                const auto made = agree({r, 3, 0, rendezvous_address(some_id, chosen[i])}, chosen[i], make);
                if (made == nullptr) { said[i] = "nothing"; }
            } catch (const blink::error& e) { said[i] = e.what(); }
        });
    }
    for (std::thread& t : ranks) { t.join(); }
    return said;
}

/// One process of a job of two, each a program of its own.
struct one_of_two {
    one_of_two(const settings& s, int rank, process_executor_maker make)
        : chosen(s), blink(nccl, make_fake, make, chosen) {
        nccl::communicator* made = comm(static_cast<std::size_t>(rank));
        CHECK(blink.init_rank(&made, 2, some_id, rank, true, yes) == nccl::success);
    }
    fake_nccl nccl;
    settings chosen;
    interposer blink;
};

/// Makes both processes at once, as threads, and lets each do something.
template <class Body>
void both(const settings& s, process_executor_maker make, const Body& body) {
    fake() = {};
    (void)written().taken();
    std::latch ready(2);
    std::vector<std::thread> threads;
    // The count of ranks in this process is an interposer's, so the threads pass for processes.
    for (const int r : {0, 1}) {
        threads.emplace_back([&, r] {
            one_of_two p(s, r, make);
            ready.arrive_and_wait();
            body(p, r);
        });
    }
    for (std::thread& t : threads) { t.join(); }
}

lines sorted(lines l) {
    std::ranges::sort(l);
    return l;
}

collective_call call_on(int rank, std::size_t count) {
    collective_call c{collective::allreduce};
    c.count = count;
    c.type = nccl::float32;
    c.comm = comm(static_cast<std::size_t>(rank));
    return c;
}

} // namespace

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

TEST_CASE("sends and receives of processes are NCCL's, other exchanges Blink's, and neither moves the other") {
    const folder here;
    both(choices(here), make_part, [](one_of_two& p, int r) {
        p.blink.group_start();
        collective_call c = call_on(r, 1);
        (void)p.blink.collective(c);
        c = call_on(r, 2);
        c.kind = collective::send_recv;
        c.root = 1 - r;
        c.receives = r == 1;
        (void)p.blink.collective(c);
        c = call_on(r, 3);
        c.kind = collective::alltoall;
        (void)p.blink.collective(c);
        p.blink.group_end();
        c.count = 4;
        c.kind = collective::gather;
        c.root = 1;
        (void)p.blink.collective(c);
        c.kind = collective::scatter;
        (void)p.blink.collective(c);
    });
    CHECK(sorted(written().taken()) ==
          lines{"blink allreduce 1 among 1", "blink allreduce 1 among 1", "blink alltoall 3 among 1",
                "blink alltoall 3 among 1", "blink gather 4 among 1", "blink gather 4 among 1",
                "blink scatter 4 among 1", "blink scatter 4 among 1", "made 0 of 2 on GPU 0", "made 1 of 2 on GPU 1",
                "nccl end", "nccl end", "nccl send_recv 2 on 0", "nccl send_recv 2 on 1"});
}

TEST_CASE("processes that have another choice by size leave all to NCCL; with the same one they follow it") {
    settings of[3];
    const folder here;
    for (settings& s : of) { s = choices(here); }
    const auto allreduce = static_cast<std::size_t>(collective::allreduce);
    of[1].sizes[allreduce].from = 4096;
    const auto said = told({of[0], of[1], of[2]}, make_part);
    for (const std::string& what : said) {
        CHECK(what.find("rank 1 has [") != std::string::npos);
        CHECK(what.find("NCCL for allreduce up to 0 bytes and from 4096") != std::string::npos);
    }
    (void)written().taken();
    both(of[1], make_part, [](one_of_two& p, int r) {
        (void)p.blink.collective(call_on(r, 1023));
        (void)p.blink.collective(call_on(r, 1024));
    });
    CHECK(sorted(written().taken()) == lines{"blink allreduce 1023 among 1", "blink allreduce 1023 among 1",
                                             "made 0 of 2 on GPU 0", "made 1 of 2 on GPU 1", "nccl allreduce 1024 on 0",
                                             "nccl allreduce 1024 on 1"});
}

TEST_CASE("where a machine is named, each process is told the numbers of all ranks' GPUs") {
    const folder here;
    settings s = choices(here);
    s.topology_file = "dgx1v";
    const auto make = [](const process_place& at, const settings&) {
        std::string line = std::to_string(at.rank) + " hears of";
        for (const int gpu : at.gpus) { line += " " + std::to_string(gpu); }
        written().add(line);
        return std::unique_ptr<executor>(std::make_unique<fake_executor>());
    };
    const auto meet = [&](std::array<int, 2> devices) {
        (void)written().taken();
        std::vector<std::thread> ranks;
        for (int r = 0; r < 2; ++r) {
            ranks.emplace_back([&, r] {
                const auto device = devices[static_cast<std::size_t>(r)];
                (void)agree({r, 2, device, rendezvous_address(some_id, s)}, s, make);
            });
        }
        for (std::thread& t : ranks) { t.join(); }
        return sorted(written().taken());
    };
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    CHECK(meet({5, 2}) == lines{"0 hears of 5 2", "1 hears of 5 2"});
    CHECK(meet({2, 2}) == lines{"0 hears of", "1 hears of"});
    ::setenv("CUDA_VISIBLE_DEVICES", "6,3", 1);
    CHECK(meet({1, 0}) == lines{"0 hears of 3 6", "1 hears of 3 6"});
    ::setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937", 1);
    CHECK(meet({0, 1}) == lines{"0 hears of", "1 hears of"});
    ::unsetenv("CUDA_VISIBLE_DEVICES");
}

TEST_CASE("processes leave to NCCL what all of them know to be NCCL's") {
    const folder here;
    settings s = choices(here);
    s.disabled[static_cast<std::size_t>(collective::allgather)] = true;
    both(s, make_part, [](one_of_two& p, int r) {
        collective_call c = call_on(r, 1);
        c.kind = collective::allgather;
        (void)p.blink.collective(c);
        c = call_on(r, 2);
        c.type = nccl::type_count;
        (void)p.blink.collective(c);
        c = call_on(r, 3);
        c.kind = collective::broadcast;
        c.root = 2; // there are two ranks, of which this process has one
        (void)p.blink.collective(c);
        c.root = 1;
        c.count = 4;
        (void)p.blink.collective(c);
    });
    CHECK(sorted(written().taken()) == lines{"blink broadcast 4 among 1", "blink broadcast 4 among 1",
                                             "made 0 of 2 on GPU 0", "made 1 of 2 on GPU 1", "nccl allgather 1 on 0",
                                             "nccl allgather 1 on 1", "nccl allreduce 2 on 0", "nccl allreduce 2 on 1",
                                             "nccl broadcast 3 on 0", "nccl broadcast 3 on 1"});
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
