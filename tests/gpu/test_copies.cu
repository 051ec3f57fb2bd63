// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/alltoall.hpp>
#include <blink/communicator/cuda_group.cuh>
#include <blink/gather.hpp>
#include <blink/scatter.hpp>

#include <cuda_bf16.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "call_graphs.cuh"
#include "copied_call.cuh"
#include "groups.cuh"

using blink::collective;
using blink::protocol;
using gpu_test::call_shape;
using gpu_test::captured;
using gpu_test::copied_call;
using gpu_test::copies_in;
using gpu_test::ready;
using gpu_test::red_zone;

namespace {

constexpr std::size_t most_count = 100003;

constexpr collective kinds[] = {collective::broadcast, collective::reduce, collective::allreduce, collective::allgather,
                                collective::reduce_scatter};

/// Groups of the real GPUs: without the host, and with a large share over it.
blink::cuda_group& group_of(int host_share) {
    const auto make = [](int share) {
        blink::group_options o;
        o.tuned.host_share = share;
        o.tuned.host_share_both = o.tuned.host_share_all_reduce = share;
        return o;
    };
    static blink::cuda_group without(make(0));
    static blink::cuda_group with(make(300));
    return host_share == 0 ? without : with;
}

/// One whose kernels have so few blocks that each thread combines many elements.
blink::cuda_group& group_of_few_blocks() {
    static blink::cuda_group group({.blocks = 2});
    return group;
}

const blink::chunk_choice small_chunks = blink::fixed_chunk{4096};

template <class T>
void check_all(blink::cuda_group& group) {
    unsigned seed = 1;
    for (const collective kind : kinds) {
        for (int root = 0; root < (blink::is_rooted(kind) ? group.size() : 1); ++root) {
            for (const std::size_t count : {std::size_t{1}, std::size_t{1021}, most_count}) {
                for (const bool in_place : {false, true}) {
                    const std::size_t offset = seed % 3 == 0 ? 0 : 1;
                    copied_call<T> c(group, {kind, root, count, offset, seed % 2, in_place}, ++seed);
                    for (const bool small : {true, false}) {
                        c.reset();
                        c.launch({.chunk = small ? small_chunks : blink::chunk_choice{}, .how = protocol::copies});
                        CAPTURE(blink::to_string(kind));
                        CAPTURE(root);
                        CAPTURE(count);
                        CAPTURE(in_place);
                        CAPTURE(small);
                        CHECK(c.wrong() == 0);
                    }
                }
            }
        }
    }
}

/// Calls of several kinds and protocols, one behind the other.
template <class Look>
void run_in_turn(std::vector<copied_call<float>>& calls, const Look& look) {
    for (int turn = 0; turn < 3; ++turn) {
        for (auto& c : calls) { c.launch({.chunk = small_chunks, .how = protocol::copies}); }
        for (auto& c : calls) { c.launch({}); }
    }
    look();
}

/// Neither in place, so that a call may be repeated.
std::vector<copied_call<float>> several_calls(blink::cuda_group& group) {
    std::vector<copied_call<float>> calls;
    unsigned seed = 100;
    for (const collective kind : kinds) {
        const std::size_t count = seed % 2 == 0 ? most_count : 7001;
        calls.emplace_back(group, call_shape{kind, group.size() - 1, count, seed % 3, seed % 2, false}, seed);
        ++seed;
    }
    return calls;
}

std::size_t wrong_in(std::vector<copied_call<float>>& calls) {
    std::size_t total = 0;
    for (auto& c : calls) { total += c.wrong(); }
    return total;
}

void check_graphs(blink::cuda_group& group) {
    std::vector<copied_call<float>> calls = several_calls(group);
    const cudaGraphExec_t graph = ready(captured(group, [&] { run_in_turn(calls, [] {}); }));
    for (int replay = 0; replay < 10; ++replay) {
        for (auto& c : calls) { c.reset(); }
        blink::cuda::check(cudaGraphLaunch(graph, group.stream(0)), "cudaGraphLaunch");
        CHECK(wrong_in(calls) == 0);
        for (auto& c : calls) { c.reset(); }
        run_in_turn(calls, [] {});
        CHECK(wrong_in(calls) == 0);
    }
    blink::cuda::check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
}

/// Captures each rank's stream for itself, as where each is driven by a thread of its own.
template <class Enqueue>
void capture_apart(blink::cuda_group& group, const Enqueue& enqueue) {
    for (int r = 0; r < group.size(); ++r) {
        blink::cuda::check(cudaStreamBeginCapture(group.stream(r), cudaStreamCaptureModeRelaxed),
                           "cudaStreamBeginCapture");
    }
    enqueue();
    std::vector<cudaGraphExec_t> graphs;
    for (int r = 0; r < group.size(); ++r) {
        cudaGraph_t graph = nullptr;
        blink::cuda::check(cudaStreamEndCapture(group.stream(r), &graph), "cudaStreamEndCapture");
        graphs.push_back(ready(graph));
    }
    for (int r = 0; r < group.size(); ++r) {
        const auto i = static_cast<std::size_t>(r);
        blink::cuda::check(cudaGraphLaunch(graphs[i], group.stream(r)), "cudaGraphLaunch");
    }
    group.synchronize();
    for (const cudaGraphExec_t g : graphs) { blink::cuda::check(cudaGraphExecDestroy(g), "cudaGraphExecDestroy"); }
}

void check_exchange(blink::cuda_group& group, const blink::exchange& e, std::size_t shift) {
    auto in = group.make_buffers<float>(blink::input_count(e) + shift);
    auto out = group.make_buffers<float>(blink::output_count(e) + 2 * red_zone);
    std::vector<std::vector<float>> expected;
    std::vector<const float*> from;
    std::vector<float*> to;
    for (int r = 0; r < group.size(); ++r) {
        std::vector<float> row(in.count());
        for (std::size_t i = 0; i < row.size(); ++i) { row[i] = static_cast<float>(i) + static_cast<float>(r) / 16; }
        in.assign(r, row);
        out.assign(r, expected.emplace_back(out.count(), -1.0F));
        from.push_back(in[r] + shift);
        to.push_back(out[r] + red_zone);
    }
    for (const blink::transfer& t : e.transfers) {
        for (std::size_t i = 0; i < t.count; ++i) {
            expected[static_cast<std::size_t>(t.to)][red_zone + t.out_offset + i] =
                static_cast<float>(shift + t.in_offset + i) + static_cast<float>(t.from) / 16;
        }
    }
    group.run<float>(e, std::span<const float* const>(from), std::span<float* const>(to),
                     {.chunk = small_chunks, .how = protocol::copies});
    group.synchronize();
    for (int r = 0; r < group.size(); ++r) { CHECK(out.read(r) == expected[static_cast<std::size_t>(r)]); }
}

/// Two GPUs on which calls of some MiB have a share over the host.
blink::group_options sharing(bool learns) {
    blink::group_options o;
    o.gpus = {0, 1};
    o.tuned.host_share = o.tuned.host_share_both = o.tuned.host_share_all_reduce = 300;
    o.tuned.host_share_from = o.tuned.host_share_all_reduce_from = 1;
    o.learn_host_share = learns;
    return o;
}

constexpr std::size_t shared_count = 2000003;

bool is_settled(const blink::cuda_group& group) {
    const auto shares = group.host_shares();
    return !shares.empty() && shares.front().settled;
}

/// Copies of a call with the tuned share over the host.
std::size_t tuned_copies(collective kind, bool in_place) {
    const blink::cuda::copy_shape shape = blink::cuda::shape_copies(
        blink::cuda::copy_call_of(kind, 2, shared_count, sizeof(float)), sizeof(float), 0, sharing(true).tuned);
    const auto steps = blink::cuda::plan_copies(kind, 2, 0, shared_count, in_place ? 3 : 0, shape).steps;
    return static_cast<std::size_t>(std::ranges::count_if(steps, [](const auto& s) { return !s.combines; }));
}

/// Learns a share from the first call on; captures before and behind that have the tuned one.
void check_learning(collective kind, bool in_place) {
    CAPTURE(blink::to_string(kind));
    CAPTURE(in_place);
    blink::cuda_group group(sharing(true));
    copied_call<float> c(group, {kind, 0, shared_count, 0, 0, in_place}, 9);
    const auto captured_copies = [&] {
        return copies_in(captured(group, [&] { c.launch({.how = protocol::copies}); }));
    };
    const double tuned = blink::cuda::shape_copies(blink::cuda::copy_call_of(kind, 2, shared_count, sizeof(float)),
                                                   sizeof(float), 0, sharing(true).tuned)
                             .host_share;
    CHECK(captured_copies() == tuned_copies(kind, in_place));
    int calls = 0;
    for (; calls < 15 && !is_settled(group); ++calls) {
        c.reset();
        c.launch({.how = protocol::copies});
        CHECK(c.wrong() == 0);
        if (!is_settled(group)) { CHECK(group.host_shares().front().share == tuned); }
    }
    CHECK(calls >= 6);
    REQUIRE(is_settled(group));
    const double learnt = group.host_shares().front().share;
    CHECK(captured_copies() == tuned_copies(kind, in_place)); // not the learnt one
    const cudaGraphExec_t graph = ready(captured(group, [&] { c.launch({.how = protocol::copies}); }));
    c.reset();
    blink::cuda::check(cudaGraphLaunch(graph, group.stream(0)), "cudaGraphLaunch");
    CHECK(c.wrong() == 0);
    blink::cuda::check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
    CHECK(group.host_shares().size() == 1);
    CHECK(group.host_shares().front().share == learnt);
}

} // namespace

TEST_CASE_TEMPLATE("copies carry every collective" * doctest::skip(!gpu_test::two_gpus()), T, float, std::int32_t,
                   __nv_bfloat16) {
    check_all<T>(group_of(0));
    check_all<T>(group_of(300));
    check_all<T>(group_of_few_blocks());
}

TEST_CASE("reductions with a share over the host have the bits of kernels alone" *
          doctest::skip(!gpu_test::two_gpus())) {
    blink::cuda_group& group = group_of(300);
    const std::size_t count = 3000001;
    auto in = group.make_buffers<float>(count);
    const auto alone = group.make_buffers<float>(count);
    const auto shared = group.make_buffers<float>(count);
    std::mt19937 random(11);
    std::uniform_real_distribution<float> any(-1, 1);
    for (int r = 0; r < group.size(); ++r) {
        std::vector<float> row(count);
        for (float& x : row) { x = any(random); }
        in.assign(r, row);
    }
    const auto reduced = [&](const blink::rank_buffers<float>& to, protocol how) {
        std::vector<const float*> from;
        std::vector<float*> out;
        for (int r = 0; r < group.size(); ++r) {
            from.push_back(in[r]);
            out.push_back(to[r]);
        }
        group.run<float>(collective::allreduce, 0, from, out, count, blink::sum{}, {.chunk = small_chunks, .how = how});
    };
    reduced(alone, protocol::chunks);
    reduced(shared, protocol::copies);
    group.synchronize();
    for (int r = 0; r < group.size(); ++r) {
        const std::vector<float> a = alone.read(r);
        const std::vector<float> b = shared.read(r);
        CHECK(std::memcmp(a.data(), b.data(), count * sizeof(float)) == 0);
    }
}

TEST_CASE("copies and kernels follow each other without a wait between" * doctest::skip(!gpu_test::two_gpus())) {
    for (const int share : {0, 300}) {
        std::vector<copied_call<float>> calls = several_calls(group_of(share));
        run_in_turn(calls, [&] { CHECK(wrong_in(calls) == 0); });
    }
}

TEST_CASE("a graph over all GPUs holds copies, from the first call of a group on" *
          doctest::skip(!gpu_test::two_gpus())) {
    blink::group_options o;
    o.tuned.host_share = o.tuned.host_share_both = o.tuned.host_share_all_reduce = 200;
    blink::cuda_group fresh(o);
    check_graphs(fresh);
    check_graphs(group_of(0));
}

TEST_CASE("streams that are captured apart get kernels" * doctest::skip(!gpu_test::two_gpus())) {
    blink::group_options o;
    o.tuned.copies_from = o.tuned.copies_from_captured = o.tuned.host_share_from = o.tuned.copies_reduce_from =
        o.tuned.copies_all_reduce_from = o.tuned.host_share_all_reduce_from = 1;
    blink::cuda_group group(o);
    copied_call<float> c(group, {.count = most_count}, 5);
    capture_apart(group, [&] {
        CHECK_THROWS_AS(c.launch({.how = protocol::copies}), blink::usage_error);
        c.launch({});
    });
    CHECK(c.wrong() == 0);
}

TEST_CASE("a tuned size takes copies by itself" * doctest::skip(!gpu_test::two_gpus())) {
    for (const std::size_t from : {0, 1}) { // never, always
        blink::group_options o;
        o.gpus = {0, 1};
        o.tuned.copies_from = o.tuned.copies_from_captured = o.tuned.host_share_from = o.tuned.copies_reduce_from =
            o.tuned.copies_all_reduce_from = o.tuned.host_share_all_reduce_from = from;
        blink::cuda_group group(o);
        const bool nvlink = blink::cuda::is_all_nvlink(group.plan_for(collective::allreduce).fabric);
        std::vector<copied_call<float>> calls = several_calls(group);
        for (std::size_t i = 0; i < calls.size(); ++i) {
            const bool pays = kinds[i] != collective::reduce_scatter; // see `takes_copies`
            CAPTURE(to_string(kinds[i]));
            calls[i].launch({});
            CHECK((copies_in(captured(group, [&] { calls[i].launch({}); })) > 0) == (from > 0 && nvlink && pays));
        }
        CHECK(wrong_in(calls) == 0);
    }
}

TEST_CASE("copies carry exchanges" * doctest::skip(!gpu_test::two_gpus())) {
    for (const int share : {0, 300}) {
        blink::cuda_group& group = group_of(share);
        for (const std::size_t count : {std::size_t{1}, std::size_t{1021}, most_count}) {
            check_exchange(group, blink::make_gather(group.size(), 1, count), 0);
            check_exchange(group, blink::make_scatter(group.size(), 0, count), 1);
            check_exchange(group, blink::make_alltoall(group.size(), count), count % 4);
        }
    }
}

TEST_CASE("copies refuse what they cannot carry" * doctest::skip(!gpu_test::one_gpu())) {
    blink::cuda_group& shared = gpu_test::virtual_dgx1v(); // ranks that share a GPU
    copied_call<float> c(shared, {.count = 1000}, 1);
    CHECK_THROWS_AS(c.launch({.how = protocol::copies}), blink::usage_error);
    c.launch({});
    CHECK(c.wrong() == 0);
    if (!gpu_test::two_gpus()) { return; }
    blink::cuda_group& group = group_of(0);
    const auto b = group.make_buffers<float>(1000);
    const std::vector<float*> to = [&] {
        std::vector<float*> list;
        for (int r = 0; r < group.size(); ++r) { list.push_back(b[r]); }
        return list;
    }();
    const std::vector<const float*> from(to.begin(), to.end());
    CHECK_THROWS_AS(
        group.run<float>(collective::allreduce, 0, from, to, 1000, blink::premul_sum{0.5F}, {.how = protocol::copies}),
        blink::usage_error);
}

TEST_CASE("every call is right while its share over the host is learnt, which ends after a few" *
          doctest::skip(!gpu_test::two_gpus())) {
    for (const collective kind : kinds) { check_learning(kind, false); }
    check_learning(collective::allreduce, true);
}

TEST_CASE("calls far ahead of the GPUs learn too, and a capture meanwhile holds a whole call" *
          doctest::skip(!gpu_test::two_gpus())) {
    blink::cuda_group group(sharing(true));
    copied_call<float> c(group, {collective::allreduce, 0, shared_count, 0, 0, false}, 10);
    for (int i = 0; i < 5; ++i) { c.launch({.how = protocol::copies}); }
    const cudaGraphExec_t graph = ready(captured(group, [&] { c.launch({.how = protocol::copies}); }));
    CHECK(c.wrong() == 0);
    for (int i = 0; i < 40 && !is_settled(group); ++i) {
        for (int k = 0; k < 20; ++k) { c.launch({.how = protocol::copies}); }
        CHECK(c.wrong() == 0);
    }
    CHECK(is_settled(group));
    c.reset();
    blink::cuda::check(cudaGraphLaunch(graph, group.stream(0)), "cudaGraphLaunch");
    CHECK(c.wrong() == 0);
    blink::cuda::check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
}

TEST_CASE("a share is not learnt where that is not wanted, or where the caller chose the chunk" *
          doctest::skip(!gpu_test::two_gpus())) {
    for (const bool learns : {false, true}) {
        blink::cuda_group group(sharing(learns));
        copied_call<float> c(group, {collective::broadcast, 0, shared_count, 0, 0, false}, 11);
        for (int i = 0; i < 20; ++i) { c.launch({.chunk = blink::fixed_chunk{1u << 20}, .how = protocol::copies}); }
        CHECK(c.wrong() == 0);
        CHECK(group.host_shares().empty());
        c.launch({.how = protocol::copies});
        CHECK(group.host_shares().empty() != learns);
        CHECK(c.wrong() == 0);
    }
}
