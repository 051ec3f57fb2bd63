// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <cstring>

#include "fakes.hpp"

using namespace preload_test;

TEST_CASE("calls of all ranks in one group go to Blink, once, at the outermost end") {
    program p(2);
    p.blink.group_start();
    p.blink.group_start();
    CHECK(p.call(0, 8) == nccl::success);
    CHECK(p.call(1, 8) == nccl::success);
    CHECK(p.blink.group_end() == nccl::success);
    CHECK(written().taken() == lines{"nccl end"});
    CHECK(p.blink.group_end() == nccl::success);
    CHECK(written().taken() == lines{"blink allreduce 8 among 2", "nccl end"});
}

TEST_CASE("the i-th calls of the ranks belong together, whatever the order in which the ranks make them") {
    program p(2);
    p.blink.group_start();
    p.call(0, 1);
    p.call(0, 2);
    p.call(1, 1);
    p.call(1, 2);
    p.blink.group_end();
    CHECK(written().taken() == lines{"blink allreduce 1 among 2", "blink allreduce 2 among 2", "nccl end"});
}

TEST_CASE("a group is known to be the same as the last one only where every argument is") {
    program p(2);
    const auto again = [&](std::size_t count, const collective_call& own = {collective::allreduce}) {
        p.blink.group_start();
        p.call(0, count);
        p.call(1, count, own);
        CHECK(p.blink.group_end() == nccl::success);
        return fake_executor::last_again();
    };
    collective_call elsewhere{collective::allreduce};
    elsewhere.out = &elsewhere;
    collective_call on_stream{collective::allreduce};
    on_stream.stream = stream(7);
    CHECK_FALSE(again(8));
    CHECK(again(8));
    CHECK_FALSE(again(9));
    CHECK_FALSE(again(8));
    CHECK_FALSE(again(8, elsewhere));
    CHECK_FALSE(again(8, on_stream));
    CHECK(again(8, on_stream));
    CHECK_FALSE(again(8));
    fake().refuses = "not now";
    again(8);
    fake().refuses.clear();
    CHECK(again(8)); // nothing else ran meanwhile
    p.blink.group_start();
    for (const std::size_t r : {0U, 1U}) {
        p.call(r, 8);
        p.call(r, 8);
    }
    CHECK(p.blink.group_end() == nccl::success);
    CHECK_FALSE(fake_executor::last_again());
    (void)written().taken();
}

TEST_CASE("a call outside a group goes to NCCL, as other threads may speak for the other ranks") {
    program p(2);
    CHECK(p.call(0, 8) == nccl::success);
    CHECK(written().taken() == lines{"nccl allreduce 8 on 0"});
}

TEST_CASE("a group without all ranks goes to NCCL, in the order of its calls") {
    program p(3);
    p.blink.group_start();
    p.call(0, 8);
    p.call(2, 8);
    p.call(0, 9);
    p.call(2, 9);
    CHECK(written().taken().empty());
    p.blink.group_end();
    CHECK(written().taken() == lines{"nccl allreduce 8 on 0", "nccl allreduce 8 on 2", "nccl allreduce 9 on 0",
                                     "nccl allreduce 9 on 2", "nccl end"});
}

TEST_CASE("calls that differ between ranks, or use several streams, go to NCCL") {
    program p(2);
    collective_call other{collective::allreduce};
    const auto both = [&](std::size_t count) {
        p.blink.group_start();
        p.call(0, 8);
        p.call(1, count, other);
        p.blink.group_end();
        return written().taken().front();
    };
    CHECK(both(8) == "blink allreduce 8 among 2");
    CHECK(both(9) == "nccl allreduce 8 on 0");
    SUBCASE("another type") { other.type = nccl::float32; }
    SUBCASE("another operator") { other.op = nccl::max; }
    SUBCASE("another collective") { other.kind = collective::allgather; }
    SUBCASE("another root") { other.root = 1; }
    SUBCASE("a second stream") {
        p.blink.group_start();
        p.call(0, 8);
        p.call(1, 8);
        p.call(0, 8);
        other.stream = stream(7);
        p.call(1, 8, other);
        p.blink.group_end();
        CHECK(written().taken().front() == "nccl allreduce 8 on 0");
        return;
    }
    CHECK(both(8) == "nccl allreduce 8 on 0");
}

TEST_CASE("what Blink does not carry keeps its place among the calls that go to NCCL") {
    program p(2);
    collective_call made{collective::allreduce};
    made.op = static_cast<nccl::operation>(5);
    p.blink.group_start();
    for (const std::size_t r : {0U, 1U}) {
        p.call(r, 1);
        p.call(r, 2, made);
        p.call(r, 3);
    }
    CHECK(written().taken() == lines{"nccl allreduce 1 on 0", "nccl allreduce 2 on 0", "nccl allreduce 3 on 0",
                                     "nccl allreduce 1 on 1", "nccl allreduce 2 on 1", "nccl allreduce 3 on 1"});
    p.blink.group_end();
    CHECK(written().taken() == lines{"nccl end"});
}

TEST_CASE("several sets of ranks in one group are decided one by one") {
    program p(2);
    std::vector<nccl::communicator*> others{comm(10), comm(11)};
    p.blink.init_all(others.data(), 2, yes);
    p.blink.group_start();
    p.call(10, 5);
    p.call(0, 6);
    p.call(20, 7); // a communicator of somebody else
    p.call(1, 6);
    p.blink.group_end();
    CHECK(written().taken() ==
          lines{"nccl allreduce 7 on 20", "blink allreduce 6 among 2", "nccl allreduce 5 on 10", "nccl end"});
}

TEST_CASE("an unknown root, type or operator is answered by NCCL at once") {
    program p(2);
    collective_call c{collective::broadcast};
    SUBCASE("root") { c.root = 2; }
    SUBCASE("negative root") { c.root = -1; }
    SUBCASE("type") { c.type = nccl::type_count; }
    SUBCASE("no such type") { c.type = static_cast<nccl::data_type>(-3); }
    SUBCASE("operator") { c = {collective::reduce, nullptr, nullptr, 0, nccl::float32, nccl::operation(99)}; }
    SUBCASE("an operator of another type") {
        c = {collective::reduce, nullptr, nullptr, 0, nccl::float32, p.multiplier(0, nccl::float64)};
    }
    SUBCASE("an operator of another communicator") {
        c = {collective::reduce, nullptr, nullptr, 0, nccl::float32, p.multiplier(1, nccl::float32)};
    }
    p.blink.group_start();
    CHECK(p.call(0, fake_nccl::refused_count, c) == nccl::invalid_argument);
    CHECK(written().taken().size() == 1);
    p.blink.group_end();
}

TEST_CASE("fp8 goes to Blink, and so does the average of halves") {
    program p(2);
    collective_call c{collective::allgather, nullptr, nullptr, 0, nccl::float8e5m2};
    std::string kind = "allgather";
    SUBCASE("a copy") {}
    SUBCASE("a sum") { c.kind = collective::allreduce, kind = "allreduce"; }
    SUBCASE("an average") {
        c = {collective::allreduce, nullptr, nullptr, 0, nccl::float16, nccl::avg};
        kind = "allreduce";
    }
    p.blink.group_start();
    p.call(0, 4, c);
    p.call(1, 4, c);
    p.blink.group_end();
    CHECK(written().taken() == lines{"blink " + kind + " 4 among 2", "nccl end"});
}

TEST_CASE("operators that the program makes go to Blink, each rank's with a factor of its own") {
    program p(2);
    const auto both = [&](nccl::operation first, nccl::operation second) {
        p.blink.group_start();
        p.call(0, 4, {collective::allreduce, nullptr, nullptr, 0, nccl::float32, first});
        p.call(1, 4, {collective::allreduce, nullptr, nullptr, 0, nccl::float32, second});
        p.blink.group_end();
        return written().taken().front();
    };
    const nccl::operation first = p.multiplier(0, nccl::float32, 0.5F);
    const nccl::operation second = p.multiplier(1, nccl::float32, 3.0F);
    CHECK(first != second);
    CHECK(both(first, second) == "blink allreduce 4 among 2");
    REQUIRE(fake_executor::last_factors().size() == 2);
    float factors[2] = {};
    for (std::size_t r = 0; r < 2; ++r) {
        CHECK(fake_executor::last_factors()[r].on_device == nullptr);
        std::memcpy(&factors[r], fake_executor::last_factors()[r].value.data(), sizeof(float));
    }
    CHECK(factors[0] == 0.5F);
    CHECK(factors[1] == 3.0F);

    CHECK(both(first, nccl::sum) == "nccl allreduce 4 on 0");
    const float* const there = reinterpret_cast<const float*>(0x80);
    CHECK(both(first, p.multiplier(1, nccl::float32, 1.0F, there)) == "blink allreduce 4 among 2");
    CHECK(fake_executor::last_factors()[1].on_device == there);

    CHECK(p.blink.destroy_operator(second, comm(1), yes) == nccl::success);
    CHECK(both(first, second) == "nccl allreduce 4 on 0");
    CHECK(both(nccl::sum, nccl::sum) == "blink allreduce 4 among 2");
    CHECK(fake_executor::last_factors().empty());
}

TEST_CASE("what the executor refuses goes to NCCL; what BLINK_DISABLE names too") {
    settings chosen;
    SUBCASE("refused") {}
    SUBCASE("disabled") { chosen.disabled[static_cast<std::size_t>(collective::allreduce)] = true; }
    program p(2, chosen);
    if (!chosen.disabled[static_cast<std::size_t>(collective::allreduce)]) { fake().refuses = "no"; }
    p.blink.group_start();
    p.call(0, 4);
    p.call(1, 4);
    p.blink.group_end();
    CHECK(written().taken() == lines{"nccl allreduce 4 on 0", "nccl allreduce 4 on 1", "nccl end"});
}

TEST_CASE("a launch that fails ends the others and the group") {
    program p(2);
    fake().throws = true;
    p.blink.group_start();
    p.call(0, 4);
    p.call(1, 4);
    CHECK(p.blink.group_end() == nccl::unhandled_cuda_error);
    CHECK(written().taken() == lines{"abort", "nccl end"});
    CHECK(p.blink.last_error(nullptr) == "no launch");
    p.call(0, fake_nccl::refused_count); // an error of NCCL's, which has its own words
    CHECK(p.blink.last_error(nullptr).empty());
}

TEST_CASE("what went wrong on the devices is told by the calls that ask, and by all that follow") {
    program p(2);
    fake().trouble = "rank 1 waited too long";
    nccl::result error = nccl::success;
    CHECK(p.blink.async_error(comm(0), &error, yes) == nccl::success);
    CHECK(error == nccl::remote_error);
    CHECK(p.blink.last_error(comm(1)) == "rank 1 waited too long");
    CHECK(p.call(0, 4) == nccl::remote_error);
    CHECK(p.blink.last_error(nullptr) == "rank 1 waited too long"); // as PyTorch asks
    error = nccl::internal_error;
    p.blink.async_error(comm(0), &error, yes);
    CHECK(error == nccl::internal_error);
    CHECK(written().taken().empty());
}

TEST_CASE("what NCCL answers to a group is what the program gets") {
    program p(2);
    p.nccl.end_answer = nccl::invalid_usage;
    CHECK(p.blink.group_end() == nccl::invalid_usage); // none is open
    p.blink.group_start();
    p.call(0, 4);
    CHECK(p.blink.group_end() == nccl::invalid_usage);
    p.nccl.end_answer = nccl::success;
    p.blink.group_start();
    p.call(0, fake_nccl::refused_count);
    CHECK(p.blink.group_end() == nccl::invalid_argument);
}

TEST_CASE("a simulated group is NCCL's, and leaves nothing behind") {
    program p(2);
    p.blink.group_start();
    p.call(0, 4);
    p.call(1, 4);
    CHECK(p.blink.group_simulate_end([] { return nccl::in_progress; }) == nccl::in_progress);
    CHECK(written().taken() == lines{"nccl allreduce 4 on 0", "nccl allreduce 4 on 1"});
    p.blink.group_start();
    p.blink.group_end();
    CHECK(written().taken() == lines{"nccl end"});
}
