// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/host/executor.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "made_schedules.hpp"

using blink::collective;

namespace {

struct fixture {
    std::vector<float> memory = std::vector<float>(1000, 1);
    std::vector<const float*> in{&memory[0], &memory[100], &memory[200]};
    std::vector<float*> out{&memory[300], &memory[400], &memory[500]};

    void run(collective kind = collective::allreduce, std::size_t count = 100) {
        blink::host::execute<float>(made::random_trees(kind, 3, 1, 1, 0), in, out, count, blink::sum{});
    }
    /// Expects a usage_error with this text, and nothing moved.
    void refused(const char* text, collective kind = collective::allreduce, std::size_t count = 100) {
        const auto before = memory;
        CHECK_THROWS_WITH_AS(run(kind, count), doctest::Contains(text), blink::usage_error);
        CHECK(memory == before);
    }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "buffers side by side, in place and shared inputs are accepted") {
    run();
    CHECK(out[2][99] == 3);
    in[1] = in[0];
    run();
    in = {out[0], out[1], out[2]};
    run();
    CHECK(out[0][0] == 9);
}

TEST_CASE_FIXTURE(fixture, "a null buffer is refused, unless it is not touched or there is nothing to do") {
    in[1] = nullptr;
    refused("allreduce: in[1] is null");
    run(collective::allreduce, 0);
    run(collective::broadcast);
    CHECK(out[2][99] == 1);
    in[1] = &memory[100];
    out[2] = nullptr;
    refused("broadcast: out[2] is null", collective::broadcast);
    run(collective::reduce);
    CHECK(out[0][99] == 3);
}

TEST_CASE_FIXTURE(fixture, "buffers that overlap where one is written are refused with their names") {
    SUBCASE("in and out of one rank, partly") {
        in[1] = out[1] + 1;
        refused("in[1] and out[1] overlap");
    }
    SUBCASE("outputs of two ranks") {
        out[2] = out[0] + 99;
        refused("out[0] and out[2] overlap");
    }
    SUBCASE("the same output twice") {
        out[2] = out[0];
        refused("out[0] and out[2] overlap");
    }
    SUBCASE("input of one rank, output of another") {
        in[0] = out[2];
        refused("in[0] and out[2] overlap");
    }
}

TEST_CASE_FIXTURE(fixture, "a wrong number of buffers is refused") {
    in.pop_back();
    refused("2 inputs and 3 outputs for 3 ranks");
    in.push_back(&memory[200]);
    out.push_back(&memory[600]);
    refused("3 inputs and 4 outputs for 3 ranks");
}

TEST_CASE_FIXTURE(fixture, "a buffer that is not aligned to its element is refused") {
    in[0] = reinterpret_cast<const float*>(reinterpret_cast<const char*>(in[0]) + 1);
    refused("in[0] is not aligned to 4 bytes");
}

TEST_CASE_FIXTURE(fixture, "more elements than an address can count are refused") {
    refused("fit into no memory", collective::allreduce, std::numeric_limits<std::size_t>::max() / 2);
}

TEST_CASE_FIXTURE(fixture, "a reduction without an operator and chunks of no bytes are refused") {
    const auto s = made::random_trees(collective::allreduce, 3, 1, 1);
    CHECK_THROWS_WITH_AS(blink::host::execute<float>(s, in, out, 100, blink::no_operator{}),
                         "allreduce: an operator is needed", blink::usage_error);
    CHECK_THROWS_AS(blink::host::execute<float>(s, in, out, 100, blink::sum{}, {.chunk = blink::fixed_chunk{0}}),
                    blink::usage_error);
    CHECK(memory == std::vector<float>(1000, 1));
}

TEST_CASE("an unknown root is refused") {
    const std::vector<const void*> two{nullptr, nullptr};
    CHECK_THROWS_WITH_AS(blink::check_buffers(collective::reduce, 2, 2, two, two, 0, 4, 4),
                         "reduce: root 2 is none of the ranks 0..1", blink::usage_error);
    CHECK_THROWS_AS(blink::check_buffers(collective::broadcast, -1, 2, two, two, 0, 4, 4), blink::usage_error);
}

TEST_CASE_FIXTURE(fixture, "a schedule in which a rank waits for ever is refused before anything moves") {
    auto s = made::ring(3);
    s.lanes[2].roles[1].broadcast_to.clear();
    s.lanes[2].roles[0].broadcast_to.clear();
    s.lanes[2].roles[2].broadcast_to.clear();
    CHECK_THROWS_WITH_AS(blink::host::execute<float>(s, in, out, 100, blink::sum{}),
                         "allreduce, lane 2: rank 0 never gets the result: it waits for ever", blink::schedule_error);
    CHECK(memory == std::vector<float>(1000, 1));
}

TEST_CASE_FIXTURE(fixture, "the buffers of one rank alone are checked by the same rules") {
    const auto check = [&](collective kind, const float* from, const float* to, std::size_t count = 100) {
        blink::check_rank_buffers(kind, 0, 3, 1, from, to, count, sizeof(float), alignof(float));
    };
    check(collective::allreduce, in[1], out[1]);
    check(collective::allreduce, out[1], out[1]);
    check(collective::broadcast, nullptr, out[1]);
    check(collective::reduce, in[1], nullptr);
    check(collective::allreduce, nullptr, nullptr, 0);
    check(collective::allgather, out[0] + 100, out[0]);
    check(collective::reduce_scatter, in[0], in[0] + 100);
    CHECK_THROWS_WITH_AS(check(collective::allreduce, nullptr, out[1]), "allreduce: in[1] is null", blink::usage_error);
    CHECK_THROWS_WITH_AS(check(collective::allgather, out[0], out[0]), doctest::Contains("in[1]"), blink::usage_error);
    CHECK_THROWS_WITH_AS(check(collective::allreduce, in[1], in[1] + 1), doctest::Contains("overlap"),
                         blink::usage_error);
    CHECK_THROWS_AS(blink::check_rank_buffers(collective::reduce, 3, 3, 1, in[1], out[1], 1, 4, 4), blink::usage_error);
}
