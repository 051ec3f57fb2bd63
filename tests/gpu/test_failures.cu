// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/cuda_group.cuh>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "groups.cuh"
#include "trial.cuh"

using namespace gpu_test;
using blink::collective;

namespace {

using float_trial = trial<float, blink::sum>;

/// A chain of two ranks.
blink::schedule pair_schedule() {
    using pair = blink::cuda::static_schedule<blink::cuda::static_lane<blink::cuda::static_tree<-1, 0>>>;
    return pair::value(collective::allreduce);
}

/// Two virtual ranks of which only rank 0 enters the call.
struct lonely_rank {
    blink::cuda::group_resources resources;
    std::array<float*, 2> buffers{};

    explicit lonely_rank(std::chrono::milliseconds timeout) : resources(std::array{0, 0}, timeout, 0) {
        for (float*& b : buffers) { blink::cuda::check(cudaMalloc(&b, 4096), "cudaMalloc"); }
    }
    ~lonely_rank() {
        resources.abort();
        for (float* b : buffers) { (void)cudaFree(b); }
    }
    lonely_rank(const lonely_rank&) = delete;
    lonely_rank& operator=(const lonely_rank&) = delete;

    void launch() {
        std::vector<blink::cuda::device_ranks> devices(resources.devices().begin(), resources.devices().end());
        devices.front().ranks.pop_back();
        const blink::schedule s = pair_schedule();
        const std::array<const float*, 2> in{buffers[0], buffers[1]};
        blink::cuda::launch<float, blink::sum>(s, blink::cuda::to_runtime_schedule(s), in, buffers, 1000, {}, devices,
                                               resources.memory(), 0);
    }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace

TEST_CASE("a rank that waits past the deadline names what it waited for" * doctest::skip(!one_gpu())) {
    lonely_rank lonely(std::chrono::milliseconds(200));
    const auto start = std::chrono::steady_clock::now();
    lonely.launch();
    lonely.resources.wait();
    CHECK(seconds_since(start) < 2.0);
    CHECK(lonely.resources.aborted());
    // It waits for both at once.
    const std::string text = lonely.resources.fault_text();
    CAPTURE(text);
    CHECK(text.starts_with("rank 0 waited longer than 200 ms for the "));
    CHECK((text.ends_with("call to be entered by rank 1 (lane 0, block 0)") ||
           text.ends_with("partial result of chunk 0 by rank 1 (lane 0, block 0)")));
}

TEST_CASE("abort ends a waiting kernel long before its deadline" * doctest::skip(!one_gpu())) {
    lonely_rank lonely(std::chrono::seconds(30));
    const auto start = std::chrono::steady_clock::now();
    lonely.launch();
    CHECK(cudaStreamQuery(lonely.resources.devices().front().stream) == cudaErrorNotReady);
    lonely.resources.abort();
    lonely.resources.wait();
    CHECK(seconds_since(start) < 2.0);
    CHECK(lonely.resources.fault_text().empty());
}

TEST_CASE("an aborted group refuses work and says so" * doctest::skip(!one_gpu())) {
    blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1}, .virtual_ranks = 2});
    float_trial t(group, collective::allreduce, {.count = 100, .seed = 1});
    CHECK(group.status() == blink::group_status::ready);
    group.abort();
    CHECK(group.status() == blink::group_status::aborted);
    CHECK_THROWS_AS(t.launch(), blink::aborted_error);
    CHECK_THROWS_AS(group.synchronize(), blink::aborted_error);
}

TEST_CASE("wrong use is refused before anything is launched" * doctest::skip(!one_gpu())) {
    blink::cuda_group& group = virtual_dgx1v();
    auto good = group.make_buffers<float>(100);
    std::vector<const float*> in;
    std::vector<float*> out;
    for (int r = 0; r < group.size(); ++r) {
        in.push_back(good[r]);
        out.push_back(good[r]);
    }
    const auto run = [&](collective kind, int root) { group.run<float>(kind, root, in, out, 100, blink::sum{}, {}); };
    SUBCASE("null input") { in[3] = nullptr; }
    SUBCASE("null output") { out[7] = nullptr; }
    SUBCASE("missing buffer") { in.pop_back(); }
    SUBCASE("host memory") {
        static float host[100];
        in[2] = host;
    }
    SUBCASE("partial overlap") { out[1] += 1; }
    CHECK_THROWS_AS(run(collective::allreduce, 0), blink::usage_error);
    CHECK(group.status() == blink::group_status::ready);
}

TEST_CASE("an unknown root and too many ranks are refused" * doctest::skip(!one_gpu())) {
    blink::cuda_group& group = virtual_dgx1v();
    auto good = group.make_buffers<float>(4);
    std::vector<const float*> in;
    std::vector<float*> out;
    for (int r = 0; r < group.size(); ++r) {
        in.push_back(good[r]);
        out.push_back(good[r]);
    }
    CHECK_THROWS_AS(group.run<float>(collective::broadcast, 8, in, out, 4, blink::sum{}, {}), blink::usage_error);
    CHECK_THROWS_AS(group.run<float>(collective::reduce, -1, in, out, 4, blink::sum{}, {}), blink::usage_error);
    CHECK_THROWS_AS(blink::cuda_group({.machine = blink::topology(blink::dgx2), .virtual_ranks = 1}),
                    blink::usage_error);
}

TEST_CASE("a protocol that cannot carry a call is refused" * doctest::skip(!one_gpu())) {
    blink::cuda_group& group = virtual_dgx1v();
    auto data = group.make_buffers<float>(1 << 20);
    const auto run = [&](collective kind, std::size_t count, blink::protocol how) {
        blink::options choices;
        choices.how = how;
        std::vector<const float*> in;
        std::vector<float*> out;
        for (int r = 0; r < group.size(); ++r) {
            in.push_back(data[r]);
            out.push_back(data[r]);
        }
        group.run<float>(kind, 0, in, out, count, blink::sum{}, choices);
    };
    CHECK_THROWS_AS(run(collective::reduce, 10, blink::protocol::all_pairs), blink::usage_error);
    CHECK_NOTHROW(run(collective::reduce, 10, blink::protocol::cells));
    group.synchronize();
}
