// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "two_processes.hpp"

using namespace preload_test;

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

TEST_CASE("communicators that processes split off are Blink's too, those without a color nobody's") {
    const folder here;
    both(choices(here), make_part, [](one_of_two& p, int r) {
        nccl::communicator* made = nullptr;
        const auto split = [&](int color, int ranks, std::size_t number, bool blocking = true) {
            p.nccl.placed_ranks = ranks;
            p.nccl.placed_rank = ranks == 1 ? 0 : 1 - r; // the key has turned them around
            CHECK(p.blink.split(comm(static_cast<std::size_t>(r)), color, &made, blocking, [&] {
                made = color < 0 ? nullptr : comm(number);
                return nccl::success;
            }) == nccl::success);
        };
        const auto use = [&](std::size_t count) {
            collective_call c = call_on(r, count);
            c.comm = made;
            (void)p.blink.collective(c);
        };
        const std::size_t own = 10 * static_cast<std::size_t>(r) + 10;
        split(r == 0 ? -1 : 5, 1, own); // one alone, with nobody to talk to
        if (made != nullptr) { use(1); }
        split(3, 2, own + 1);
        use(2);
        split(3, 2, own + 2, false);
        use(3);
        p.blink.group_start();
        split(3, 2, own + 3); // there at the end of the group
        p.blink.group_end();
        use(4);
        CHECK(p.blink.split(comm(77), 0, nullptr, true, yes) == nccl::success); // nothing of Blink's
        (void)p.blink.collective(call_on(r, 7));
    });
    CHECK(sorted(written().taken()) ==
          lines{"blink allreduce 2 among 1", "blink allreduce 2 among 1", "blink allreduce 4 among 1",
                "blink allreduce 4 among 1", "blink allreduce 7 among 1", "blink allreduce 7 among 1",
                "made 0 of 2 on GPU 0", "made 0 of 2 on GPU 21", "made 0 of 2 on GPU 23", "made 1 of 2 on GPU 1",
                "made 1 of 2 on GPU 11", "made 1 of 2 on GPU 13", "nccl allreduce 1 on 20", "nccl allreduce 3 on 12",
                "nccl allreduce 3 on 22", "nccl end", "nccl end"});
    CHECK(alive() == 0);
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
