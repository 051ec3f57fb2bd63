// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Schedules timed and checked over emulated links on one GPU.
#pragma once

#include <blink/communicator/emulated_group.cuh>

#include <thrust/count.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/fill.h>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "csv_main.hpp"
#include "emulating_gpu.hpp"

namespace blink_paper {

/// Calls of which the median counts.
inline constexpr int calls = 3;

/// Buffers of all ranks of a group, filled so that any result is a small whole number.
class bench {
  public:
    bench(const blink::topology& machine, const std::vector<int>& ranks, std::size_t bytes)
        : bench(machine, ranks, bytes, scale_for(ranks.size())) {}

    /// @param scale of every link's rate
    /// @param blocks of a rank, 0: as many as fit
    bench(const blink::topology& machine, const std::vector<int>& ranks, std::size_t bytes, double scale,
          int blocks = 0)
        : group_({.machine = machine,
                  .gpus = ranks,
                  .virtual_ranks = static_cast<int>(ranks.size()),
                  .blocks = blocks,
                  .tuned = {.most_chunk_bytes = most_chunk_bytes(0)}},
                 scale),
          in_(group_.make_buffers<float>(bytes / sizeof(float))),
          out_(group_.make_buffers<float>(bytes / sizeof(float))) {
        for (int r = 0; r < group_.size(); ++r) {
            const thrust::device_ptr<float> first(in_[r]);
            thrust::fill_n(thrust::cuda::par.on(group_.stream(r)), first, in_.count(), static_cast<float>(r + 1));
            from_.push_back(in_[r]);
            to_.push_back(out_[r]);
        }
    }

    [[nodiscard]] blink::emulated_group& group() { return group_; }

    /// GB/s of the emulated machine at full link rates, the median of some calls.
    /// @throw blink::error where an element is wrong
    double measure(const blink::schedule& s, const blink::fabric& f, std::size_t bytes) {
        const std::size_t count = bytes / sizeof(float);
        const auto call = [&] { run(s, f, count); };
        call();
        check(s, count);
        const double ms = median_ms(call);
        check(s, count);
        return static_cast<double>(bytes) / (ms * 1e6) / group_.scale();
    }

    /// Microseconds a call as they pass, where `repeats` calls follow each other in a graph: what the host takes to
    /// enqueue them does not count. The median of some graphs.
    /// @throw blink::error where an element is wrong
    double measure_graph_us(const blink::schedule& s, const blink::fabric& f, std::size_t bytes, int repeats) {
        const std::size_t count = bytes / sizeof(float);
        const cudaStream_t stream = group_.stream(0);
        const auto call = [&] { run(s, f, count); };
        call();
        check(s, count);
        blink::cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
        for (int i = 0; i < repeats; ++i) { call(); }
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t ready = nullptr;
        blink::cuda::check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
        blink::cuda::check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
        const auto replay = [&] { blink::cuda::check(cudaGraphLaunch(ready, stream), "cudaGraphLaunch"); };
        replay();
        const double ms = median_ms(replay);
        check(s, count);
        blink::cuda::check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
        blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
        return ms * 1e3 / repeats;
    }

    /// By lane and rank, seconds to the end of one call at full link rates; see `emulated_group::lane_ends`.
    /// @throw blink::error where an element is wrong
    std::vector<std::vector<double>> lane_ends(const blink::schedule& s, const blink::fabric& f, std::size_t bytes) {
        const std::size_t count = bytes / sizeof(float);
        group_.time_lanes(true);
        run(s, f, count);
        group_.time_lanes(false);
        check(s, count);
        auto ends = group_.lane_ends(s);
        for (auto& lane : ends) {
            for (double& end : lane) { end *= group_.scale(); }
        }
        return ends;
    }

    bench(const bench&) = delete;
    bench& operator=(const bench&) = delete;
    ~bench() {
        (void)cudaEventDestroy(before_);
        (void)cudaEventDestroy(after_);
    }

  private:
    /// Enqueues a call. A long one asks for the chunks that `most_chunk_bytes` gives it.
    void run(const blink::schedule& s, const blink::fabric& f, std::size_t count) {
        const std::size_t most = most_chunk_bytes(count * sizeof(float));
        blink::options choices;
        if (most > most_chunk_bytes(0)) { choices.chunk = blink::fixed_chunk{most}; }
        group_.run_schedule<float>(s, f, from_, to_, count, blink::sum{}, choices);
    }

    static cudaEvent_t made_event() {
        cudaEvent_t e{};
        blink::cuda::check(cudaEventCreate(&e), "cudaEventCreate");
        return e;
    }

    /// The median of some runs of `work`, which enqueues on the stream of the ranks.
    template <class Work>
    double median_ms(const Work& work) {
        std::vector<float> ms;
        for (int i = 0; i < calls; ++i) {
            blink::cuda::check(cudaEventRecord(before_, group_.stream(0)), "cudaEventRecord");
            work();
            blink::cuda::check(cudaEventRecord(after_, group_.stream(0)), "cudaEventRecord");
            group_.synchronize();
            blink::cuda::check(cudaEventElapsedTime(&ms.emplace_back(), before_, after_), "cudaEventElapsedTime");
        }
        std::ranges::sort(ms);
        return static_cast<double>(ms[ms.size() / 2]);
    }

    /// Waits, compares every element of every rank's output, and poisons it.
    void check(const blink::schedule& s, std::size_t count) {
        group_.synchronize();
        const int n = group_.size();
        const auto expected = static_cast<float>(s.kind == blink::collective::broadcast ? s.root + 1 : n * (n + 1) / 2);
        for (int r = 0; r < n; ++r) {
            const thrust::device_ptr<float> first(out_[r]);
            const auto policy = thrust::cuda::par.on(group_.stream(r));
            const auto right = thrust::count(policy, first, first + static_cast<std::ptrdiff_t>(count), expected);
            if (right != static_cast<std::ptrdiff_t>(count)) {
                throw blink::error("wrong elements on rank " + std::to_string(r));
            }
            thrust::fill_n(policy, first, count, -1.0F);
        }
    }

    blink::emulated_group group_;
    blink::rank_buffers<float> in_, out_;
    std::vector<const float*> from_;
    std::vector<float*> to_;
    cudaEvent_t before_ = made_event();
    cudaEvent_t after_ = made_event();
};

/// `csv_main` of a benchmark that needs a GPU; skipped without one.
template <class Work>
[[nodiscard]] int emulated_main(int argc, char** argv, const csv_benchmark& of, const Work& work) {
    return csv_main(argc, argv, of, work, [] {
        const bool visible = blink::cuda::visible_gpus() > 0;
        if (!visible) { std::cerr << "no GPU is visible: skipped\n"; }
        return visible;
    });
}

} // namespace blink_paper
