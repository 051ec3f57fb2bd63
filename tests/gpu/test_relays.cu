// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/emulated_group.cuh>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "groups.cuh"
#include "trial.cuh"

using namespace gpu_test;
using blink::collective;

namespace {

using float_trial = trial<float, blink::sum>;

const blink::options with_relays{.relays = {0, 2, 3, 5, 7}};

blink::group_options ranks_146() {
    return {.machine = blink::topology(blink::dgx1v), .gpus = {1, 4, 6}, .virtual_ranks = 3};
}

void check_clean(float_trial& t) {
    const verdict v = t.judged();
    CHECK(v.wrong == 0);
    CHECK(v.outside == 0);
    CHECK(v.differing_ranks == 0);
}

} // namespace

TEST_CASE("relays forward, sizes and roots, in turn with calls without relays" * doctest::skip(!one_gpu())) {
    blink::cuda_group group(ranks_146());
    for (const std::size_t count : {1, 127, 4099, 1000003}) {
        CAPTURE(count);
        for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
            for (int root = 0; root < (blink::is_rooted(kind) ? 3 : 1); ++root) {
                float_trial t(group, kind, {.count = count, .out_offset = count % 2, .root = root, .seed = count});
                t.launch(with_relays);
                check_clean(t);
                t.reset();
                t.launch();
                check_clean(t);
                t.reset();
                t.launch(with_relays);
                check_clean(t);
            }
        }
    }
}

TEST_CASE("relays forward between ranks that do not see each other's buffers" * doctest::skip(!one_gpu())) {
    blink::group_options choices = ranks_146();
    choices.staged = true;
    blink::cuda_group group(choices);
    for (const std::size_t count : {127, 4099, 1000003}) {
        CAPTURE(count);
        for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
            float_trial t(group, kind, {.count = count, .root = 1, .seed = count});
            t.launch(with_relays);
            t.launch();
            t.launch(with_relays);
            check_clean(t);
        }
    }
}

TEST_CASE("relays forward whole shards" * doctest::skip(!one_gpu())) {
    blink::cuda_group group(ranks_146());
    const std::size_t count = 30011;
    auto shards = group.make_buffers<std::int32_t>(count);
    auto all = group.make_buffers<std::int32_t>(3 * count);
    std::vector<const std::int32_t*> in, whole;
    std::vector<std::int32_t*> out, sums;
    std::vector<std::int32_t> expected;
    std::mt19937 random(5);
    for (int r = 0; r < 3; ++r) {
        std::vector<std::int32_t> own(count);
        for (auto& x : own) { x = static_cast<std::int32_t>(random() % 1000); }
        expected.insert(expected.end(), own.begin(), own.end());
        shards.assign(r, own);
        in.push_back(shards[r]);
        out.push_back(all[r]);
    }
    group.run<std::int32_t>(collective::allgather, 0, in, out, count, blink::no_operator{}, with_relays);
    group.synchronize();
    for (int r = 0; r < 3; ++r) { CHECK(all.read(r) == expected); }
    for (int r = 0; r < 3; ++r) {
        whole.push_back(all[r]);
        sums.push_back(shards[r]);
    }
    group.run<std::int32_t>(collective::reduce_scatter, 0, whole, sums, count, blink::sum{}, with_relays);
    group.synchronize();
    for (std::size_t r = 0; r < 3; ++r) {
        const std::vector<std::int32_t> found = shards.read(static_cast<int>(r));
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < count; ++i) { wrong += found[i] == 3 * expected[r * count + i] ? 0 : 1; }
        CHECK(wrong == 0);
    }
}

TEST_CASE("over emulated links relays reach the planned rate, where PCIe alone joins the ranks" *
          doctest::skip(!one_gpu())) {
    // Slow links: with few blocks a lane, their work between two chunks is then short beside what the links need.
    blink::emulated_group group(ranks_146(), 0.125);
    const std::size_t count = std::size_t{16} << 20;
    auto in = group.make_buffers<float>(count);
    auto out = group.make_buffers<float>(count);
    std::vector<const float*> from;
    std::vector<float*> to;
    for (int r = 0; r < 3; ++r) {
        in.fill(r, static_cast<float>(r + 1));
        from.push_back(in[r]);
        to.push_back(out[r]);
    }
    cudaEvent_t before{};
    cudaEvent_t after{};
    blink::cuda::check(cudaEventCreate(&before), "cudaEventCreate");
    blink::cuda::check(cudaEventCreate(&after), "cudaEventCreate");
    float ms = 0;
    for (int i = 0; i < 3; ++i) {
        blink::cuda::check(cudaEventRecord(before, group.stream(0)), "cudaEventRecord");
        group.run<float>(collective::allreduce, 0, from, to, count, blink::sum{}, with_relays);
        blink::cuda::check(cudaEventRecord(after, group.stream(0)), "cudaEventRecord");
        group.synchronize();
        blink::cuda::check(cudaEventElapsedTime(&ms, before, after), "cudaEventElapsedTime");
    }
    blink::cuda::check(cudaEventDestroy(before), "cudaEventDestroy");
    blink::cuda::check(cudaEventDestroy(after), "cudaEventDestroy");
    for (int r = 0; r < 3; ++r) {
        const std::vector<float> result = out.read(r);
        CHECK(std::ranges::count(result, 6.0F) == static_cast<std::ptrdiff_t>(count));
    }
    blink::plan_options planning;
    planning.relays = with_relays.relays;
    const double planned = group.plan_for(collective::allreduce, 0, planning).packing.GBps * group.scale();
    const double found = static_cast<double>(count * sizeof(float)) / (static_cast<double>(ms) * 1e6);
    MESSAGE("GPUs 1, 4 and 6 over relays: " << found << " GB/s of " << planned);
    CHECK(found > 0.88 * planned);
    CHECK(found < 1.005 * planned);
}

TEST_CASE("relays that take part are refused" * doctest::skip(!one_gpu())) {
    blink::cuda_group group(ranks_146());
    blink::plan_options planning;
    planning.relays = {1};
    CHECK_THROWS_AS((void)group.plan_for(collective::allreduce, 0, planning), blink::usage_error);
}
