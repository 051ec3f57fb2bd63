// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/allreduce.hpp>
#include <blink/alltoall.hpp>
#include <blink/gather.hpp>
#include <blink/scatter.hpp>
#include <blink/send_recv.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "groups.cuh"

using blink::cuda_group;
using blink::transfer;

namespace {

constexpr std::size_t red_zone = 64; ///< elements before and behind every output

struct three_bytes {
    unsigned char b[3];
    bool operator==(const three_bytes&) const = default;
};

template <class T>
T made_of(std::uint64_t bits) {
    T t{};
    std::memcpy(static_cast<void*>(&t), &bits, std::min(sizeof t, sizeof bits));
    return t;
}

template <class T>
T poisoned() {
    T t{};
    std::memset(static_cast<void*>(&t), 0xC5, sizeof t);
    return t;
}

/// One exchange with its buffers in device memory: random inputs, poisoned outputs, both off their alignment.
template <class T>
class exchange_trial {
  public:
    exchange_trial(cuda_group& group, blink::exchange what, std::uint64_t seed, std::size_t in_shift = 0,
                   std::size_t out_shift = 0)
        : group_(group), e_(std::move(what)), in_(group.make_buffers<T>(blink::input_count(e_) + in_shift)),
          out_(group.make_buffers<T>(blink::output_count(e_) + out_shift + 2 * red_zone)) {
        std::mt19937_64 random(seed);
        const auto n = static_cast<std::size_t>(group.size());
        std::vector<std::vector<T>> inputs(n, std::vector<T>(in_.count()));
        expected_.assign(n, std::vector<T>(out_.count(), poisoned<T>()));
        for (int r = 0; r < group.size(); ++r) {
            auto& row = inputs[static_cast<std::size_t>(r)];
            for (T& x : row) { x = made_of<T>(random()); }
            in_.assign(r, row);
            from_.push_back(in_[r] + in_shift);
            to_.push_back(out_[r] + red_zone + out_shift);
        }
        for (const transfer& t : e_.transfers) {
            const T* const from = inputs[static_cast<std::size_t>(t.from)].data() + in_shift + t.in_offset;
            std::copy_n(from, t.count,
                        expected_[static_cast<std::size_t>(t.to)].data() + red_zone + out_shift + t.out_offset);
        }
        poison();
    }

    void poison() {
        const std::vector<T> row(out_.count(), poisoned<T>());
        for (int r = 0; r < group_.size(); ++r) { out_.assign(r, row); }
    }

    void launch(const blink::options& choices = {}) {
        group_.run<T>(e_, std::span<const T* const>(from_), std::span<T* const>(to_), choices);
    }

    /// Ranks whose output, with what lies around it, is not right to the last bit.
    [[nodiscard]] int wrong_ranks() {
        group_.synchronize();
        int wrong = 0;
        for (int r = 0; r < group_.size(); ++r) {
            const auto got = out_.read(r);
            const auto& want = expected_[static_cast<std::size_t>(r)];
            wrong += std::memcmp(got.data(), want.data(), got.size() * sizeof(T)) == 0 ? 0 : 1;
        }
        return wrong;
    }

  private:
    cuda_group& group_;
    blink::exchange e_;
    blink::rank_buffers<T> in_, out_;
    std::vector<const T*> from_;
    std::vector<T*> to_;
    std::vector<std::vector<T>> expected_;
};

/// Transfers of any size between any ranks, outputs side by side.
blink::exchange random_exchange(std::mt19937_64& random, int ranks, int most) {
    std::vector<transfer> list;
    std::vector<std::size_t> filled(static_cast<std::size_t>(ranks));
    for (int i = 0; i < most; ++i) {
        const auto n = static_cast<std::uint64_t>(ranks);
        transfer t{static_cast<int>(random() % n), static_cast<int>(random() % n), random() % 100, 0,
                   random() % 3 == 0 ? random() % 8 : random() % 60'000};
        std::size_t& end = filled[static_cast<std::size_t>(t.to)];
        t.out_offset = end + random() % 2;
        end = t.out_offset + t.count;
        list.push_back(t);
    }
    return blink::make_send_recv(ranks, list);
}

template <class T>
void check_once(cuda_group& group, const blink::exchange& e, std::uint64_t seed, std::size_t in_shift = 0,
                std::size_t out_shift = 0) {
    exchange_trial<T> trial(group, e, seed, in_shift, out_shift);
    for (int twice = 0; twice < 2; ++twice) {
        trial.poison();
        trial.launch();
        CAPTURE(e.name);
        CAPTURE(group.size());
        CAPTURE(blink::input_count(e));
        CHECK(trial.wrong_ranks() == 0);
    }
}

/// All roots, odd sizes, misaligned.
void check_makers(cuda_group& group) {
    const int n = group.size();
    for (const std::size_t count : {0, 1, 5, 1009, 70'001}) {
        for (int root = 0; root < n; ++root) {
            check_once<float>(group, blink::make_gather(n, root, count), 1, count % 3, 0);
            check_once<float>(group, blink::make_scatter(n, root, count), 2, 0, count % 2);
        }
        check_once<float>(group, blink::make_alltoall(n, count), 3, 1, 1);
        check_once<double>(group, blink::make_alltoall(n, count), 4);
        check_once<std::uint8_t>(group, blink::make_alltoall(n, count), 5, 3, 5);
        check_once<three_bytes>(group, blink::make_alltoall(n, count), 6, 1, 0);
    }
    check_once<float>(group, blink::make_alltoall(n, 700'003), 7);
    check_once<std::uint16_t>(group, blink::make_gather(n, n - 1, 1'000'003), 8, 1, 2);
}

} // namespace

static_assert(blink::exchange_group<cuda_group> && blink::exchange_group<blink::device_or_host_group>);

TEST_CASE("gather, scatter and alltoall on 1 to 8 virtual ranks" * doctest::skip(!gpu_test::one_gpu())) {
    for (const int ranks : {1, 2, 3, 5}) {
        for (const bool staged : {false, true}) {
            CAPTURE(staged);
            cuda_group group(
                {.ranks = ranks, .machine = blink::topology(blink::dgx1v), .virtual_ranks = ranks, .staged = staged});
            check_makers(group);
        }
    }
    check_makers(gpu_test::virtual_dgx1v());
}

TEST_CASE("an alltoall of more transfers than a call holds runs as several" * doctest::skip(!gpu_test::one_gpu())) {
    cuda_group group({.ranks = 16, .machine = blink::topology(blink::dgx2), .virtual_ranks = 16});
    check_once<float>(group, blink::make_alltoall(16, 5003), 1, 1, 0);
    check_once<std::int64_t>(group, blink::make_gather(16, 9, 5003), 2);
}

TEST_CASE("random transfers, over ranks between where no wire leads straight" * doctest::skip(!gpu_test::one_gpu())) {
    std::mt19937_64 random(11);
    blink::topology line("line", 5);
    for (int r = 0; r + 1 < 5; ++r) { line.connect({.from = r, .to = r + 1, .GBps = 25}); }
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        cuda_group group({.machine = line, .virtual_ranks = 5, .staged = staged});
        for (int round = 0; round < 20; ++round) {
            check_once<float>(group, random_exchange(random, 5, 1 + round), random(), random() % 4, random() % 4);
            check_once<std::uint8_t>(group, random_exchange(random, 5, 70), random(), random() % 16, random() % 16);
        }
        check_makers(group);
    }
}

TEST_CASE("in place, and what is refused" * doctest::skip(!gpu_test::one_gpu())) {
    cuda_group& group = gpu_test::virtual_dgx1v();
    const int n = group.size();
    constexpr std::size_t count = 4099;
    auto shards = group.make_buffers<float>(count);
    auto all = group.make_buffers<float>(count * static_cast<std::size_t>(n));
    for (int r = 0; r < n; ++r) {
        shards.fill(r, [r](std::size_t i) { return static_cast<float>(1000 * r) + static_cast<float>(i % 997); });
    }
    constexpr int root = 3;
    std::vector<const float*> from;
    std::vector<float*> to(static_cast<std::size_t>(n), nullptr);
    for (int r = 0; r < n; ++r) { from.push_back(shards[r]); }
    to[root] = all[root];
    from[root] = all[root] + root * count;
    const auto own = shards.read(root);
    std::vector<float> start(all.count(), -1.0F);
    std::copy(own.begin(), own.end(), start.begin() + root * static_cast<std::ptrdiff_t>(count));
    all.assign(root, start);
    blink::gather(group, from, to, count, root);
    group.synchronize();
    const auto gathered = all.read(root);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < gathered.size(); ++i) {
        wrong += gathered[i] == static_cast<float>(1000 * (i / count)) + static_cast<float>(i % count % 997) ? 0U : 1U;
    }
    CHECK(wrong == 0);

    auto parts = group.make_buffers<float>(count);
    std::vector<const float*> source(static_cast<std::size_t>(n), nullptr);
    std::vector<float*> targets;
    for (int r = 0; r < n; ++r) { targets.push_back(r == root ? all[root] + root * count : parts[r]); }
    source[root] = all[root];
    blink::scatter(group, source, targets, count, root);
    group.synchronize();
    for (int r = 0; r < n; ++r) {
        if (r != root) { CHECK(parts.read(r) == shards.read(r)); }
    }
    CHECK(all.read(root) == gathered);

    CHECK_THROWS_WITH_AS(blink::alltoall(group, all, all, count), doctest::Contains("in place is not possible"),
                         blink::usage_error);
    CHECK_THROWS_AS(blink::gather(group, shards, all, count, n), blink::usage_error);
    CHECK_THROWS_AS(blink::gather(group, shards, all, count, 0, {.how = blink::protocol::cells}), blink::usage_error);
    std::vector<float> host(all.count());
    std::vector<float*> elsewhere(static_cast<std::size_t>(n), host.data());
    CHECK_THROWS_WITH_AS(blink::gather(group, shards, elsewhere, count, 0), "gather: out[0] is not device memory",
                         blink::usage_error);
    CHECK(group.status() == blink::group_status::ready);
}

TEST_CASE("exchanges and allreduces take turns without a wait between them" * doctest::skip(!gpu_test::one_gpu())) {
    std::mt19937_64 random(21);
    cuda_group& group = gpu_test::virtual_dgx1v();
    const int n = group.size();
    constexpr std::size_t count = 300'007;
    auto ones = group.make_buffers<float>(count);
    for (int r = 0; r < n; ++r) { ones.fill(r, 1.0F); }
    exchange_trial<float> a(group, blink::make_alltoall(n, 20'011), 1);
    exchange_trial<std::uint8_t> b(group, random_exchange(random, n, 40), 2, 1, 3);
    exchange_trial<double> c(group, blink::make_gather(n, 5, 3001), 3);
    for (int round = 0; round < 5; ++round) {
        a.launch();
        blink::allreduce(group, ones, ones, round % 2 == 0 ? count : 100, blink::max{});
        b.launch({.chunk = blink::fixed_chunk{4096}});
        c.launch();
        blink::allreduce(group, ones, ones, count, blink::max{});
    }
    CHECK(a.wrong_ranks() == 0);
    CHECK(b.wrong_ranks() == 0);
    CHECK(c.wrong_ranks() == 0);
    for (int r = 0; r < n; ++r) { CHECK(ones.read(r) == std::vector<float>(count, 1.0F)); }
}

TEST_CASE("a captured alltoall can be replayed" * doctest::skip(!gpu_test::one_gpu())) {
    cuda_group& group = gpu_test::virtual_dgx1v();
    exchange_trial<float> trial(group, blink::make_alltoall(group.size(), 30'011), 1, 1, 0);
    trial.launch(); // what is asked of the driver once is not captured
    group.synchronize();
    const cudaStream_t stream = group.stream(0);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t runnable = nullptr;
    blink::cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    trial.launch();
    trial.launch();
    blink::cuda::check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    blink::cuda::check(cudaGraphInstantiate(&runnable, graph, 0), "cudaGraphInstantiate");
    for (int replay = 0; replay < 3; ++replay) {
        trial.poison();
        blink::cuda::check(cudaGraphLaunch(runnable, stream), "cudaGraphLaunch");
        blink::cuda::check(cudaGraphLaunch(runnable, stream), "cudaGraphLaunch");
        CHECK(trial.wrong_ranks() == 0);
    }
    blink::cuda::check(cudaGraphExecDestroy(runnable), "destroy");
    blink::cuda::check(cudaGraphDestroy(graph), "destroy");
}

TEST_CASE("an aborted group ends its exchanges" * doctest::skip(!gpu_test::one_gpu())) {
    cuda_group group({.ranks = 2, .machine = blink::topology(blink::dgx1v), .virtual_ranks = 2});
    exchange_trial<float> trial(group, blink::make_alltoall(2, 100), 1);
    group.abort();
    CHECK_THROWS_AS(trial.launch(), blink::aborted_error);
    CHECK(group.status() == blink::group_status::aborted);
}

TEST_CASE("exchanges between all real GPUs" * doctest::skip(!gpu_test::two_gpus())) {
    check_makers(gpu_test::real_gpus());
    cuda_group staged({.staged = true});
    check_makers(staged);
}
