// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>

#include "exchanges.hpp"
#include "fakes.hpp"

using namespace preload_test;

namespace {

collective_call end_of(bool receives, std::size_t peer, void* memory = nullptr) {
    collective_call c{collective::send_recv};
    c.root = static_cast<int>(peer);
    c.receives = receives;
    (receives ? c.out : const_cast<void*&>(c.in)) = memory;
    return c;
}
void send(program& p, std::size_t from, std::size_t to, std::size_t count) { p.call(from, count, end_of(false, to)); }
void receive(program& p, std::size_t to, std::size_t from, std::size_t count) { p.call(to, count, end_of(true, from)); }

/// Lets NCCL have a first send from each rank to each other.
void open_all(program& p) {
    p.blink.group_start();
    for (std::size_t from = 0; from < p.comms.size(); ++from) {
        for (std::size_t to = 0; to < p.comms.size(); ++to) {
            send(p, from, to, 1);
            receive(p, to, from, 1);
        }
    }
    CHECK(p.blink.group_end() == nccl::success);
    CHECK(written().taken().front() == "nccl send_recv 1 on 0");
}

/// A tuning file of this test alone.
struct file {
    explicit file(const std::string& text) : name("/tmp/blink-sizes-" + std::to_string(::getpid()) + ".json") {
        std::ofstream(name) << text;
    }
    ~file() { std::remove(name.c_str()); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    std::string name;
};

} // namespace

TEST_CASE("a group that sends and receives between all ranks is one call of Blink's") {
    program p(2);
    open_all(p);
    p.blink.group_start();
    send(p, 0, 1, 8);
    send(p, 1, 0, 4);
    receive(p, 1, 0, 8);
    send(p, 0, 1, 2);
    receive(p, 0, 1, 4);
    receive(p, 1, 0, 2);
    CHECK(p.blink.group_end() == nccl::success);
    CHECK(written().taken() == lines{"blink send_recv 0 among 2, 8 B 0-1, 2 B 0-1, 4 B 1-0", "nccl end"});
}

TEST_CASE("the first send or receive on each way is NCCL's, which opens it then and waits for both ends") {
    program p(3);
    const auto ring = [&](std::size_t step) {
        p.blink.group_start();
        for (std::size_t r = 0; r < 3; ++r) {
            send(p, r, (r + step) % 3, 8);
            receive(p, (r + step) % 3, r, 8);
        }
        p.blink.group_end();
        return written().taken().front().substr(0, 5);
    };
    CHECK(ring(0) == "blink"); // each to itself, which needs no way
    CHECK(ring(1) == "nccl ");
    CHECK(ring(1) == "blink");
    CHECK(ring(2) == "nccl "); // the same pairs, the other way
    CHECK(ring(2) == "blink");
    // What NCCL refuses opens nothing.
    program other(2);
    send(other, 0, 1, fake_nccl::refused_count);
    (void)written().taken();
    other.blink.group_start();
    send(other, 0, 1, 8);
    receive(other, 1, 0, 8);
    send(other, 1, 1, 8);
    receive(other, 1, 1, 8);
    send(other, 0, 0, 8);
    receive(other, 0, 0, 8);
    other.blink.group_end();
    CHECK(written().taken().front() == "nccl send_recv 8 on 0");
}

TEST_CASE("sends whose receives are elsewhere go to NCCL, and the collectives beside them to Blink") {
    program p(2);
    open_all(p);
    p.blink.group_start();
    p.call(0, 3);
    p.call(1, 3);
    send(p, 0, 1, 8);
    receive(p, 1, 0, 7);
    p.blink.group_end();
    CHECK(written().taken() ==
          lines{"blink allreduce 3 among 2", "nccl send_recv 8 on 0", "nccl send_recv 7 on 1", "nccl end"});

    SUBCASE("a rank that takes no part has no stream") {
        program three(3);
        open_all(three);
        three.blink.group_start();
        send(three, 0, 1, 8);
        receive(three, 1, 0, 8);
        three.blink.group_end();
        CHECK(written().taken() == lines{"nccl send_recv 8 on 0", "nccl send_recv 8 on 1", "nccl end"});
    }
    SUBCASE("an unknown rank") {
        p.blink.group_start();
        send(p, 0, 2, 8);
        p.blink.group_end();
        CHECK(written().taken() == lines{"nccl send_recv 8 on 0", "nccl end"});
    }
}

TEST_CASE("while NCCL has a send without its receive it gets all others, as it joins them across groups") {
    program p(2);
    open_all(p);
    const auto both_ways = [&] {
        p.blink.group_start();
        send(p, 0, 1, 8);
        receive(p, 0, 1, 8);
        send(p, 1, 0, 8);
        receive(p, 1, 0, 8);
        p.blink.group_end();
        return written().taken().front();
    };
    const std::string own = "blink send_recv 0 among 2, 8 B 0-1, 8 B 1-0";
    CHECK(both_ways() == own);
    p.blink.group_start();
    send(p, 0, 1, 5);
    p.blink.group_end();
    (void)written().taken();
    CHECK(both_ways() == "nccl send_recv 8 on 0");
    receive(p, 1, 0, 5); // outside of any group
    CHECK(written().taken() == lines{"nccl send_recv 5 on 1"});
    CHECK(both_ways() == own);
    send(p, 0, 1, fake_nccl::refused_count); // NCCL does not have it
    (void)written().taken();
    CHECK(both_ways() == own);
}

TEST_CASE("several streams of a rank, and what BLINK_DISABLE names, are NCCL's") {
    settings chosen;
    SUBCASE("streams") {}
    SUBCASE("disabled") { chosen.disabled[static_cast<std::size_t>(collective::send_recv)] = true; }
    program p(2, chosen);
    open_all(p);
    p.blink.group_start();
    for (const std::size_t r : {0U, 1U}) {
        collective_call c = end_of(r == 1, 1 - r);
        p.call(r, 8, c);
        if (!chosen.disabled.back()) { c.stream = stream(7); }
        p.call(r, 8, c);
    }
    p.blink.group_end();
    CHECK(written().taken() == lines{"nccl send_recv 8 on 0", "nccl send_recv 8 on 0", "nccl send_recv 8 on 1",
                                     "nccl send_recv 8 on 1", "nccl end"});
}

TEST_CASE("alltoall, gather and scatter are matched as collectives are") {
    program p(2);
    for (const collective kind : {collective::alltoall, collective::gather, collective::scatter}) {
        for (const bool same : {true, false}) {
            collective_call c{kind};
            c.type = nccl::float32;
            p.blink.group_start();
            p.call(0, 5, c);
            p.call(1, same ? 5 : 6, c);
            p.blink.group_end();
            const std::string name = std::string(to_string(kind)) + " ";
            CHECK(written().taken() == (same
                                            ? lines{"blink " + name + "5 among 2", "nccl end"}
                                            : lines{"nccl " + name + "5 on 0", "nccl " + name + "6 on 1", "nccl end"}));
        }
    }
}

TEST_CASE("exchanges of bytes") {
    std::array<std::uint8_t, 64> a{}, b{};
    matched_call call{collective::gather, 3, nccl::float32, nccl::sum, 1, {&a[0], &b[4]}, {nullptr, &b[0]}, {}, {}, {}};
    byte_exchange made = byte_exchange_of(call, 2);
    CHECK(made.what == blink::make_gather(2, 1, 12));
    CHECK(made.in == std::vector<const std::uint8_t*>{&a[0], &b[4]});
    CHECK(made.out == std::vector<std::uint8_t*>{nullptr, &b[0]});
    call.kind = collective::scatter;
    CHECK(byte_exchange_of(call, 2).what == blink::make_scatter(2, 1, 12));
    call.kind = collective::alltoall;
    CHECK(byte_exchange_of(call, 2).what == blink::make_alltoall(2, 12));

    // Addresses in any order; what each offset leads to is what the program named.
    call.kind = collective::send_recv;
    call.transfers = {{0, 1, &a[40], &b[8], 4}, {0, 1, &a[16], &b[32], 8}, {1, 0, &b[0], &a[0], 2}};
    made = byte_exchange_of(call, 2);
    REQUIRE(made.what.transfers.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const blink::transfer& t = made.what.transfers[i];
        CHECK(made.in[static_cast<std::size_t>(t.from)] + t.in_offset == call.transfers[i].in);
        CHECK(made.out[static_cast<std::size_t>(t.to)] + t.out_offset == call.transfers[i].out);
        CHECK(t.count == call.transfers[i].bytes);
    }
}

TEST_CASE("the tuning file says which sizes are NCCL's, by the bytes of the larger buffer") {
    const file tuned(
        R"({"cells_up_to": 1000, "nccl_from": {"allgather": 64, "send_recv": 9}, "nccl_up_to": {"allreduce": 8}})");
    settings chosen;
    chosen.sizes = read_size_choices(tuned.name);
    program p(2, chosen);
    const auto one = [&](std::size_t count, collective_call c) {
        p.blink.group_start();
        p.call(0, count, c);
        p.call(1, count, c);
        p.blink.group_end();
        return written().taken().front().substr(0, 5);
    };
    CHECK(one(8, {collective::allreduce}) == "nccl ");
    CHECK(one(9, {collective::allreduce}) == "blink");
    CHECK(one(31, {collective::allgather}) == "blink");
    CHECK(one(32, {collective::allgather}) == "nccl ");
    CHECK(one(1 << 20, {collective::reduce}) == "blink");
    open_all(p);
    for (const std::size_t bytes : {8U, 9U}) {
        p.blink.group_start();
        send(p, 0, 1, bytes);
        receive(p, 1, 0, bytes);
        p.blink.group_end();
        CHECK(written().taken().front().substr(0, 5) == (bytes < 9 ? "blink" : "nccl "));
    }
}

TEST_CASE("a tuning file that says nothing of NCCL, or something wrong") {
    CHECK(read_size_choices(file("{}").name) == size_choices{});
    for (const char* const text :
         {R"({"nccl_from": {"all_reduce": 1}})", R"({"nccl_from": 7})", R"({"nccl_up_to": {"reduce": -1}})", "{"}) {
        const file wrong(text);
        CHECK_THROWS_AS((void)read_size_choices(wrong.name), blink::usage_error);
    }
    CHECK_THROWS_AS((void)read_size_choices("/nowhere/tuning.json"), blink::usage_error);
}
