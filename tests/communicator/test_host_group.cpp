// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/allreduce.hpp>
#include <blink/broadcast.hpp>
#include <blink/reduce.hpp>

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>
#include <thread>

using blink::collective;
using blink::group_status;
using blink::host_group;
using namespace blink::literals;

static_assert(blink::rank_group<host_group> && blink::rank_group<blink::local_group>);
static_assert(!blink::rank_group<std::vector<float>>);
static_assert(blink::input_buffers<std::vector<const float*>> && blink::input_buffers<std::array<float*, 8>> &&
              blink::input_buffers<blink::rank_buffers<int>> && !blink::input_buffers<std::vector<float>>);
static_assert(blink::output_buffers_for<std::span<float* const>, blink::rank_buffers<float>> &&
              !blink::output_buffers_for<std::vector<const float*>, std::vector<float*>> &&
              !blink::output_buffers_for<std::vector<double*>, std::vector<float*>>);

namespace {

/// Rank r holds (r + 1) * (i % 10 + 1): the total of n ranks is n * (n + 1) / 2 times that of rank 0.
int value(int rank, std::size_t i) { return (rank + 1) * static_cast<int>(i % 10 + 1); }

blink::rank_buffers<int> filled(const host_group& g, std::size_t count) {
    auto b = g.make_buffers<int>(count);
    for (int r = 0; r < g.size(); ++r) {
        b.fill(r, [r](std::size_t i) { return value(r, i); });
    }
    return b;
}

bool all_are(const std::vector<int>& got, int factor) {
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i] != factor * value(0, i)) { return false; }
    }
    return true;
}

} // namespace

TEST_CASE("eight host ranks on the trees of a DGX-1V are the default") {
    host_group g;
    CHECK(g.size() == 8);
    CHECK(g.status() == group_status::ready);
    const blink::plan& p = g.plan_for(collective::allreduce);
    CHECK(p.machine.name() == "dgx1v");
    CHECK(p.schedule.ranks == 8);
    CHECK(&g.plan_for(collective::allreduce, 3) == &p);
    CHECK(&g.plan_for(collective::allreduce, 0, {.pack = {.max_trees = 1}}) != &p);
    CHECK(g.plan_for(collective::reduce, 5).schedule.root == 5);
}

TEST_CASE("allreduce, reduce and broadcast are right on any set of ranks, again and again, and interleaved") {
    for (const int ranks : {1, 2, 3, 5, 8}) {
        CAPTURE(ranks);
        host_group g({.ranks = ranks, .threads = 3});
        const int total = ranks * (ranks + 1) / 2;
        for (const std::size_t count : {0, 1, 2, 1009, 40'001}) {
            CAPTURE(count);
            const auto in = filled(g, count);
            const auto all = g.make_buffers<int>(count);
            for (int twice = 0; twice < 2; ++twice) {
                const int root = (twice + ranks - 1) % ranks;
                const auto one = g.make_buffers<int>(count);
                blink::allreduce(g, in, all, count, blink::sum{});
                blink::reduce(g, in, one, count, blink::max{}, root);
                const auto spread = filled(g, count);
                blink::broadcast(g, spread, spread, count, root);
                g.synchronize();
                for (int r = 0; r < ranks; ++r) {
                    CHECK(all_are(all.read(r), total));
                    CHECK(all_are(spread.read(r), root + 1));
                    CHECK(all_are(in.read(r), r + 1));
                    CHECK(all_are(one.read(r), r == root ? ranks : 0));
                }
            }
        }
    }
}

TEST_CASE("buffers may be any range of pointers, and the options may say the chunk and the trees") {
    host_group g({.gpus = {0, 1, 2, 3}});
    std::array<std::vector<double>, 4> data;
    std::array<double*, 4> pointers{};
    for (std::size_t r = 0; r < 4; ++r) {
        data[r].assign(5000, static_cast<double>(r));
        pointers[r] = data[r].data();
    }
    blink::allreduce(g, pointers, pointers, 5000, blink::avg{}, {.chunk = blink::fixed_chunk{1_KiB}, .max_trees = 1});
    for (const auto& d : data) { CHECK(d == std::vector<double>(5000, 1.5)); }
    blink::allreduce(g, pointers, pointers, 4999, [](double a, double b) { return a * b; }, {.slack = 0.0});
    CHECK(data[3][4998] == 1.5 * 1.5 * 1.5 * 1.5);
    CHECK(data[3][4999] == 1.5);
}

TEST_CASE("a group that cannot be is refused") {
    CHECK_THROWS_AS(host_group({.ranks = 9}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.ranks = -1}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.gpus = {0, 8}}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.gpus = {0, 0}}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.ranks = 3, .gpus = {0, 1}}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.timeout = std::chrono::milliseconds(0)}), blink::usage_error);
    CHECK_THROWS_AS(host_group({.threads = -2}), blink::usage_error);
}

TEST_CASE("wrong use is refused before anything moves, and leaves the group as it was") {
    host_group g({.ranks = 3});
    const auto in = filled(g, 10);
    const auto out = g.make_buffers<int>(10);
    const std::vector<int*> two{out[0], out[1]}, none{out[0], nullptr, out[2]};
    CHECK_THROWS_AS(blink::allreduce(g, in, out, 11), blink::usage_error);
    CHECK_THROWS_AS(blink::allreduce(g, in, two, 10), blink::usage_error);
    CHECK_THROWS_AS(blink::allreduce(g, in, none, 10), blink::usage_error);
    CHECK_THROWS_AS(blink::reduce(g, in, out, 10, blink::sum{}, 3), blink::usage_error);
    CHECK_THROWS_AS(blink::broadcast(g, in, out, 10, -1), blink::usage_error);
    for (int r = 0; r < 3; ++r) { CHECK(out.read(r) == std::vector<int>(10, 0)); }
    CHECK(g.status() == group_status::ready);
    g.synchronize();
    blink::allreduce(g, in, out, 10);
    CHECK(all_are(out.read(2), 6));
}

TEST_CASE("after an operator has thrown, the group says so and takes no more work") {
    host_group g({.ranks = 2});
    const auto b = filled(g, 10);
    const auto refuse = [](int, int) -> int { throw std::domain_error("no"); };
    CHECK_THROWS_WITH_AS(blink::allreduce(g, b, b, 10, refuse), "no", std::domain_error);
    CHECK(g.status() == group_status::failed);
    CHECK_THROWS_WITH_AS(g.synchronize(), "no", std::domain_error);
    CHECK_THROWS_AS(blink::allreduce(g, b, b, 10), blink::aborted_error);
    CHECK_THROWS_WITH_AS(g.synchronize(), "no", std::domain_error);
}

TEST_CASE("a rank that takes too long fails the group as timed out") {
    host_group g({.ranks = 2, .timeout = std::chrono::milliseconds(2)});
    const auto b = filled(g, 3);
    const auto slow = [](int a, int) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return a;
    };
    CHECK_THROWS_AS(blink::allreduce(g, b, b, 3, slow), blink::timeout_error);
    CHECK(g.status() == group_status::timed_out);
    CHECK_THROWS_AS(g.synchronize(), blink::timeout_error);
    CHECK_THROWS_AS(blink::allreduce(g, b, b, 3), blink::timeout_error);
}

TEST_CASE("an abort from another thread ends a collective that runs") {
    host_group g({.ranks = 4});
    const auto b = filled(g, 100'000);
    std::atomic<bool> begun = false;
    const auto slow = [&begun](int a, int) {
        begun = true;
        std::this_thread::sleep_for(std::chrono::microseconds(20));
        return a;
    };
    std::thread other([&] {
        while (!begun) { std::this_thread::yield(); }
        g.abort();
    });
    CHECK_THROWS_AS(blink::allreduce(g, b, b, 100'000, slow, {.chunk = blink::fixed_chunk{64}}), blink::aborted_error);
    begun = true; // lets the other thread end, whatever came
    other.join();
    CHECK(g.status() == group_status::aborted);
    CHECK_THROWS_AS(g.synchronize(), blink::aborted_error);
    CHECK_THROWS_AS(blink::broadcast(g, b, b, 1, 0), blink::aborted_error);
}

TEST_CASE("a second thread in the same group is refused, not queued") {
    host_group g({.ranks = 2});
    const auto b = filled(g, 1), c = filled(g, 1);
    bool refused = false;
    const auto nested = [&](int a, int) {
        try {
            blink::allreduce(g, c, c, 1);
        } catch (const blink::usage_error&) { refused = true; }
        return a;
    };
    blink::allreduce(g, b, b, 1, nested);
    CHECK(refused);
}
