// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chunk sizes that the GPUs search for while graphs are replayed.
#include <blink/communicator/emulated_group.cuh>
#include <blink/schedule/miad.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "call_graphs.cuh"
#include "groups.cuh"
#include "recorded_calls.cuh"
#include "trial.cuh"

using namespace gpu_test;
using blink::collective;

namespace {

constexpr blink::miad_options options{.start = 16 << 10, .smallest = 4 << 10, .largest = 128 << 10};
constexpr std::size_t count = 5'000'001;
constexpr int calls = 4; ///< of a graph

blink::options searching() { return {.chunk = blink::miad_chunk(options), .how = blink::protocol::chunks}; }

/// Replays of calls that learn, with others between them, are right all along, and the search comes to its end.
/// @param in_place for a broadcast, whose results do not become the inputs of the next call
template <class Op>
void check_search(blink::cuda_group& group, collective kind, bool in_place) {
    CAPTURE(blink::to_string(kind));
    CAPTURE(group.size());
    trial<std::int32_t, Op> t(group, kind,
                              {.count = count, .in_offset = 1, .out_offset = 1, .in_place = in_place, .root = 1});
    trial<std::int32_t, Op> other(group, kind, {.count = 70'001, .root = 1, .seed = 2});
    t.launch({.how = blink::protocol::chunks});
    other.launch();
    CHECK(t.judged().clean());
    CHECK(other.judged().clean());
    const std::size_t before = group.learnt_chunks().size();
    const cudaGraphExec_t graph = ready(captured(group, [&] {
        for (int c = 0; c < calls; ++c) { t.launch(searching()); }
    }));
    REQUIRE(group.learnt_chunks().size() == before + 1);
    CHECK(group.learnt_chunks().back().chunk_bytes == 0);
    bool moved = false;
    for (int round = 0; round < 20; ++round) {
        t.reset();
        other.reset();
        for (int replay = 0; replay < 3; ++replay) {
            const blink::cuda::device_scope current(group.device(0));
            blink::cuda::check(cudaGraphLaunch(graph, group.stream(0)), "cudaGraphLaunch");
        }
        other.launch();
        CHECK(t.judged().clean());
        CHECK(other.judged().clean());
        const blink::cuda::learnt_chunk now = group.learnt_chunks().back();
        CHECK(now.kind == kind);
        CHECK(now.bytes == count * sizeof(std::int32_t));
        CHECK(now.chunk_bytes >= options.smallest);
        CHECK(now.chunk_bytes <= options.largest);
        moved = moved || now.chunk_bytes != options.start;
    }
    CHECK(moved);
    CHECK(group.learnt_chunks().back().settled);
    blink::cuda::check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
}

} // namespace

TEST_CASE("virtual ranks search for a chunk size while their graph is replayed" * doctest::skip(!one_gpu())) {
    blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2, 3}, .virtual_ranks = 4});
    check_search<blink::sum>(group, collective::allreduce, false);
    check_search<blink::sum>(group, collective::broadcast, true);
    check_search<blink::sum>(group, collective::reduce, false);
    blink::cuda_group staged(
        {.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2}, .virtual_ranks = 3, .staged = true});
    check_search<blink::sum>(staged, collective::allreduce, false);
}

TEST_CASE("GPUs search for a chunk size while their graph is replayed" * doctest::skip(!two_gpus())) {
    check_search<blink::sum>(real_gpus(), collective::allreduce, false);
    check_search<blink::sum>(real_gpus(), collective::broadcast, true);
    check_search<blink::sum>(real_gpus(), collective::reduce, false);
    blink::cuda_group few({.blocks = 8}); // by bulk copies
    check_search<blink::sum>(few, collective::allreduce, false);
}

TEST_CASE("a graph over emulated links settles within 5 % of the best fixed chunk" * doctest::skip(!one_gpu())) {
    blink::emulated_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2, 3}, .virtual_ranks = 4});
    constexpr std::size_t bytes = 64 << 20;
    auto in = group.make_buffers<float>(bytes / sizeof(float));
    auto out = group.make_buffers<float>(bytes / sizeof(float));
    std::vector<const float*> from;
    std::vector<float*> to;
    for (int r = 0; r < group.size(); ++r) {
        in.fill(r, static_cast<float>(r + 1));
        from.push_back(in[r]);
        to.push_back(out[r]);
    }
    const auto call = [&](const blink::chunk_choice& chunk) {
        group.run<float>(collective::broadcast, 0, from, to, in.count(), blink::no_operator{}, {.chunk = chunk});
    };
    const auto graph_of = [&](const blink::chunk_choice& chunk) {
        call(chunk);
        group.synchronize();
        return std::make_unique<recorded_calls>(streams_of(group), [&] {
            for (int c = 0; c < calls; ++c) { call(chunk); }
        });
    };
    cudaEvent_t begun = nullptr;
    cudaEvent_t ended = nullptr;
    blink::cuda::check(cudaEventCreate(&begun), "cudaEventCreate");
    blink::cuda::check(cudaEventCreate(&ended), "cudaEventCreate");
    const auto fastest_ms = [&](const recorded_calls& graph, int replays) {
        float best = 1e9F;
        for (int i = 0; i < replays; ++i) {
            blink::cuda::check(cudaEventRecord(begun, group.stream(0)), "cudaEventRecord");
            graph.replay();
            blink::cuda::check(cudaEventRecord(ended, group.stream(0)), "cudaEventRecord");
            group.synchronize();
            float ms = 0;
            blink::cuda::check(cudaEventElapsedTime(&ms, begun, ended), "cudaEventElapsedTime");
            best = std::min(best, ms);
        }
        return best;
    };
    const auto learning = graph_of(blink::miad_chunk(options));
    for (int replay = 0; replay < 60 && !group.learnt_chunks().back().settled; ++replay) {
        (void)fastest_ms(*learning, 1);
    }
    const blink::cuda::learnt_chunk learnt = group.learnt_chunks().back();
    CHECK(learnt.settled);
    const float learnt_ms = fastest_ms(*learning, 3);
    float best_ms = 1e9F;
    for (std::size_t size = options.smallest; size <= options.largest; size *= 2) {
        best_ms = std::min(best_ms, fastest_ms(*graph_of(blink::fixed_chunk{size}), 3));
    }
    MESSAGE("learnt ", learnt.chunk_bytes, " bytes: ", learnt_ms, " ms; the best fixed chunk: ", best_ms, " ms");
    CHECK(learnt_ms <= 1.05F * best_ms);
    for (int r = 0; r < group.size(); ++r) {
        CHECK(std::ranges::count(out.read(r), 1.0F) == static_cast<std::ptrdiff_t>(in.count()));
    }
    blink::cuda::check(cudaEventDestroy(begun), "cudaEventDestroy");
    blink::cuda::check(cudaEventDestroy(ended), "cudaEventDestroy");
}
