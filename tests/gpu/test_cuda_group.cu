// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/static_packing.hpp>

#include <cuda_bf16.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "groups.cuh"
#include "trial.cuh"

using namespace gpu_test;
using blink::collective;

namespace {

using float_trial = trial<float, blink::sum>;

void check_clean(float_trial& t) {
    const verdict v = t.judged();
    CHECK(v.wrong == 0);
    CHECK(v.outside == 0);
    CHECK(v.differing_ranks == 0);
}

void check_sizes_and_roots(blink::cuda_group& group) {
    for (const std::size_t count : {0, 1, 2, 3, 31, 127, 1023, 4096, 65537, 1000003}) {
        CAPTURE(count);
        for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
            for (int root = 0; root < (blink::is_rooted(kind) ? group.size() : 1); ++root) {
                CAPTURE(root);
                float_trial t(group, kind, {.count = count, .root = root, .seed = count + 1});
                t.launch();
                check_clean(t);
            }
        }
    }
}

/// Eager calls and graph replays in turn, over buffers that are poisoned before each look.
void check_graph(blink::cuda_group& group) {
    float_trial t(group, collective::allreduce, {.count = 100003, .seed = 3});
    float_trial other(group, collective::broadcast, {.count = 777, .root = group.size() - 1, .seed = 4});
    std::vector<cudaStream_t> streams;
    for (int r = 0; r < group.size(); ++r) {
        if (r == 0 || group.device(r) != group.device(r - 1)) { streams.push_back(group.stream(r)); }
    }
    t.launch();
    other.launch();
    check_clean(t);
    for (const cudaStream_t s : streams) {
        blink::cuda::check(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    }
    for (int i = 0; i < 3; ++i) { t.launch(); }
    other.launch();
    std::vector<cudaGraphExec_t> graphs;
    for (const cudaStream_t s : streams) {
        cudaGraph_t graph = nullptr;
        blink::cuda::check(cudaStreamEndCapture(s, &graph), "cudaStreamEndCapture");
        blink::cuda::check(cudaGraphInstantiate(&graphs.emplace_back(), graph, 0), "cudaGraphInstantiate");
        blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    }
    for (int replay = 0; replay < 50; ++replay) {
        if (replay % 10 == 0) {
            t.reset();
            other.reset();
        }
        for (std::size_t i = 0; i < graphs.size(); ++i) {
            blink::cuda::check(cudaGraphLaunch(graphs[i], streams[i]), "cudaGraphLaunch");
        }
        if (replay % 10 == 9) {
            check_clean(t);
            check_clean(other);
            t.reset();
            t.launch();
            check_clean(t);
        }
    }
    for (const cudaGraphExec_t g : graphs) { blink::cuda::check(cudaGraphExecDestroy(g), "cudaGraphExecDestroy"); }
}

void check_same_bits_again(blink::cuda_group& group) {
    float_trial t(group, collective::allreduce, {.count = 300007, .seed = 5});
    std::vector<float> first;
    for (int run = 0; run < 20; ++run) {
        t.reset();
        t.launch();
        check_clean(t);
        const std::vector<float> now = t.result(run % group.size());
        if (first.empty()) { first = now; }
        CHECK(std::memcmp(first.data(), now.data(), now.size() * sizeof(float)) == 0);
    }
}

/// Every shard of every rank in order; apart and in place.
void check_allgather(blink::cuda_group& group, std::size_t count, bool in_place) {
    const auto n = static_cast<std::size_t>(group.size());
    auto shards = group.make_buffers<std::int32_t>(count);
    auto all = group.make_buffers<std::int32_t>(count * n);
    std::vector<const std::int32_t*> in;
    std::vector<std::int32_t*> out;
    std::vector<std::int32_t> expected(count * n);
    for (std::size_t i = 0; i < expected.size(); ++i) { expected[i] = static_cast<std::int32_t>(mixed(count, 0, i)); }
    for (std::size_t r = 0; r < n; ++r) {
        const int rank = static_cast<int>(r);
        const auto first = expected.begin() + static_cast<std::ptrdiff_t>(r * count);
        const std::vector<std::int32_t> own(first, first + static_cast<std::ptrdiff_t>(count));
        std::vector<std::int32_t> whole(count * n, -1);
        std::copy(own.begin(), own.end(), whole.begin() + static_cast<std::ptrdiff_t>(r * count));
        shards.assign(rank, own);
        all.assign(rank, in_place ? whole : std::vector<std::int32_t>(count * n, -1));
        out.push_back(all[rank]);
        in.push_back(in_place ? all[rank] + r * count : shards[rank]);
    }
    group.run<std::int32_t>(collective::allgather, 0, in, out, count, blink::no_operator{});
    group.synchronize();
    for (int r = 0; r < group.size(); ++r) { CHECK(all.read(r) == expected); }
}

/// Every rank's shard of the sum; apart and in place.
void check_reduce_scatter(blink::cuda_group& group, std::size_t count, bool in_place) {
    const auto n = static_cast<std::size_t>(group.size());
    auto whole = group.make_buffers<std::int32_t>(count * n);
    auto shards = group.make_buffers<std::int32_t>(count);
    std::vector<const std::int32_t*> in;
    std::vector<std::int32_t*> out;
    std::vector<std::int32_t> expected(count * n, 0);
    for (std::size_t r = 0; r < n; ++r) {
        const int rank = static_cast<int>(r);
        std::vector<std::int32_t> contribution(count * n);
        for (std::size_t i = 0; i < contribution.size(); ++i) {
            contribution[i] = static_cast<std::int32_t>(mixed(count, rank, i) % 1000);
            expected[i] += contribution[i];
        }
        whole.assign(rank, contribution);
        in.push_back(whole[rank]);
        out.push_back(in_place ? whole[rank] + r * count : shards[rank]);
    }
    group.run<std::int32_t>(collective::reduce_scatter, 0, in, out, count, blink::sum{});
    group.synchronize();
    for (std::size_t r = 0; r < n; ++r) {
        const std::vector<std::int32_t> found = (in_place ? whole : shards).read(static_cast<int>(r));
        const auto own = expected.begin() + static_cast<std::ptrdiff_t>(r * count);
        CHECK(std::equal(own, own + static_cast<std::ptrdiff_t>(count),
                         found.begin() + static_cast<std::ptrdiff_t>(in_place ? r * count : 0)));
    }
}

void check_sharded(blink::cuda_group& group) {
    for (const std::size_t count : {1, 7, 1023, 100003}) {
        for (const bool in_place : {false, true}) {
            CAPTURE(count);
            CAPTURE(in_place);
            check_allgather(group, count, in_place);
            check_reduce_scatter(group, count, in_place);
        }
    }
}

} // namespace

TEST_CASE("sizes and roots are right on 8 virtual ranks of a DGX-1V" * doctest::skip(!one_gpu())) {
    check_sizes_and_roots(virtual_dgx1v());
}

TEST_CASE("two virtual ranks alone, for compute-sanitizer" * doctest::skip(!one_gpu())) {
    blink::cuda_group pair({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1}, .virtual_ranks = 2});
    for (const std::size_t count : {1, 255, 4000, 20'003}) {
        CAPTURE(count);
        float_trial floats(pair, collective::allreduce, {.count = count, .seed = count});
        trial<__nv_bfloat16, blink::sum> narrow(pair, collective::allreduce, {.count = count, .seed = count});
        for (int call = 0; call < 2; ++call) {
            floats.launch();
            narrow.launch();
        }
        check_clean(floats);
        CHECK(narrow.judged().clean());
    }
}

TEST_CASE("sizes and roots are right on the real GPUs" * doctest::skip(!two_gpus())) {
    check_sizes_and_roots(real_gpus());
}

TEST_CASE("fragments of machines are right on virtual ranks" * doctest::skip(!one_gpu())) {
    const std::vector<std::vector<int>> fragments{
        {0, 1, 2},    {0, 1, 4},       {0, 2, 3},          {0, 3, 4},          {0, 1, 2, 3},
        {0, 2, 4, 6}, {0, 1, 2, 4, 5}, {0, 1, 3, 4, 5, 7}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 6, 7}};
    for (const auto& gpus : fragments) {
        for (const blink::topology& machine : {blink::topology(blink::dgx1v), blink::topology(blink::dgx1p)}) {
            blink::cuda_group group({.machine = machine, .gpus = gpus, .virtual_ranks = 8});
            CAPTURE(machine.name());
            CAPTURE(gpus.size());
            for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
                float_trial t(group, kind, {.count = 200003, .root = group.size() / 2, .seed = gpus.size()});
                t.launch();
                t.launch();
                check_clean(t);
            }
        }
    }
}

TEST_CASE("sixteen virtual ranks behind one switch are right" * doctest::skip(!one_gpu())) {
    blink::cuda_group group({.machine = blink::topology(blink::dgx2), .virtual_ranks = 16});
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
        float_trial t(group, kind, {.count = 500009, .root = 11, .seed = 16});
        t.launch();
        check_clean(t);
    }
}

TEST_CASE("allgather and reduce_scatter are right on 8 virtual ranks" * doctest::skip(!one_gpu())) {
    check_sharded(virtual_dgx1v());
}

TEST_CASE("allgather and reduce_scatter are right on the real GPUs" * doctest::skip(!two_gpus())) {
    check_sharded(real_gpus());
}

TEST_CASE("a schedule known to the compiler gives the same result as at run time" * doctest::skip(!one_gpu())) {
    using namespace blink::cuda;
    using ring_free = static_schedule<static_lane<static_tree<-1, 0, 0, 1>, static_tree<-1, 0, 0, 1>, 2>,
                                      static_lane<static_tree<3, 3, 1, -1>>>;
    static_assert(ring_free::ranks == 4 && ring_free::lanes == 2 && ring_free::reduce_parent(0, 3) == 1);
    blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2, 3}, .virtual_ranks = 4});
    float_trial t(group, collective::allreduce, {.count = 100003, .seed = 9});
    t.launch_static<ring_free>();
    check_clean(t);
    t.reset();
    t.launch();
    check_clean(t);
}

TEST_CASE("trees that the compiler packed give the same result as those of the planner" * doctest::skip(!one_gpu())) {
    using quad = blink::static_packing<blink::dgx1v, 0, 1, 2, 3>;
    static_assert(quad::allreduce.GBps() == 75);
    blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2, 3}, .virtual_ranks = 4});
    constexpr std::size_t count = 100003;
    auto in = group.make_buffers<std::int32_t>(count);
    const auto planned = group.make_buffers<std::int32_t>(count);
    const auto compiled = group.make_buffers<std::int32_t>(count);
    std::vector<std::int32_t> total(count, 0);
    for (int r = 0; r < group.size(); ++r) {
        std::vector<std::int32_t> own(count);
        for (std::size_t i = 0; i < count; ++i) {
            own[i] = static_cast<std::int32_t>(mixed(17, r, i) % 1000);
            total[i] += own[i];
        }
        in.assign(r, own);
    }
    blink::allreduce(group, in, planned, count);
    blink::allreduce<quad>(group, in, compiled, count);
    group.synchronize();
    for (int r = 0; r < group.size(); ++r) {
        CHECK(planned.read(r) == total);
        CHECK(compiled.read(r) == total);
    }
    CHECK_THROWS_AS(blink::allreduce<quad>(virtual_dgx1v(), in, compiled, count), blink::usage_error);
}

TEST_CASE("any chunk size is right" * doctest::skip(!one_gpu())) {
    for (const std::size_t bytes : {1, 128, 1000, 4096, 65536, 1 << 20}) {
        CAPTURE(bytes);
        float_trial t(virtual_dgx1v(), collective::allreduce, {.count = 400009, .seed = bytes});
        t.launch({.chunk = blink::fixed_chunk{bytes}, .how = blink::protocol::chunks});
        check_clean(t);
    }
}

TEST_CASE("a chunk policy learns from the times of calls, and not from captured ones" * doctest::skip(!one_gpu())) {
    struct counting {
        std::size_t chunk_bytes(std::size_t /*lane_bytes*/) const { return 16384; }
        void observe(std::size_t bytes, double seconds) {
            ++calls;
            all_right = all_right && bytes == 400009 * sizeof(float) && seconds > 0 && seconds < 1;
        }
        int calls = 0;
        bool all_right = true;
    };
    blink::cuda_group& group = virtual_dgx1v();
    const auto policy = std::make_shared<counting>();
    float_trial t(group, collective::allreduce, {.count = 400009, .seed = 12});
    const blink::options learning{.chunk = policy, .how = blink::protocol::chunks};
    for (int call = 0; call < 5; ++call) { t.launch(learning); }
    check_clean(t);
    CHECK(policy->calls == 5);
    blink::cuda::check(cudaStreamBeginCapture(group.stream(0), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    t.launch(learning);
    cudaGraph_t graph = nullptr;
    blink::cuda::check(cudaStreamEndCapture(group.stream(0), &graph), "cudaStreamEndCapture");
    blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    t.launch(learning);
    check_clean(t);
    CHECK(policy->calls == 6);
    CHECK(policy->all_right);
}

TEST_CASE("graph replays and eager calls mix on 8 virtual ranks" * doctest::skip(!one_gpu())) {
    check_graph(virtual_dgx1v());
}
TEST_CASE("graph replays and eager calls mix on the real GPUs" * doctest::skip(!two_gpus())) {
    check_graph(real_gpus());
}

TEST_CASE("every run gives the same bits on 8 virtual ranks" * doctest::skip(!one_gpu())) {
    check_same_bits_again(virtual_dgx1v());
}
TEST_CASE("every run gives the same bits on the real GPUs" * doctest::skip(!two_gpus())) {
    check_same_bits_again(real_gpus());
}

TEST_CASE("256 MiB are right on the real GPUs" * doctest::skip(!two_gpus())) {
    float_trial t(real_gpus(), collective::allreduce, {.count = std::size_t{64} << 20, .seed = 11});
    t.launch();
    check_clean(t);
}
