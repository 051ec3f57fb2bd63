// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Events and graphs on the streams of ranks, for timing.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cstddef>
#include <utility>
#include <vector>

#include "../driven_rank.hpp"

namespace blink_perf {

/// Marks on one stream and the seconds between them.
class stopwatch {
  public:
    /// @param marks how many there will be; made now, so that a mark between two calls costs next to nothing
    stopwatch(const driven_rank& on, std::size_t marks) : on_(on) {
        const blink::cuda::device_scope current(on_.device);
        for (std::size_t i = 0; i < marks; ++i) {
            cudaEvent_t e = nullptr;
            blink::cuda::check(cudaEventCreate(&e), "cudaEventCreate");
            marks_.push_back(e);
        }
    }
    ~stopwatch() {
        for (const cudaEvent_t e : marks_) { (void)cudaEventDestroy(e); }
    }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;

    /// Enqueues the next mark.
    void mark() {
        const blink::cuda::device_scope current(on_.device);
        blink::cuda::check(cudaEventRecord(marks_.at(passed_++), on_.stream), "cudaEventRecord");
    }

    /// Seconds from mark `i` to the one behind it, when both were passed.
    [[nodiscard]] double behind(std::size_t i) const {
        float milliseconds = 0;
        blink::cuda::check(cudaEventElapsedTime(&milliseconds, marks_.at(i), marks_.at(i + 1)), "cudaEventElapsedTime");
        return static_cast<double>(milliseconds) * 1e-3;
    }

  private:
    driven_rank on_;
    std::vector<cudaEvent_t> marks_;
    std::size_t passed_ = 0;
};

/// What `call` enqueues on the streams, as a graph a device that can be launched again and again.
class recorded {
  public:
    /// @param streams each once
    template <class Call>
    recorded(std::vector<driven_rank> streams, const Call& call) : streams_(std::move(streams)) {
        for (const driven_rank& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            blink::cuda::check(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeRelaxed),
                               "cudaStreamBeginCapture");
        }
        call();
        for (const driven_rank& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            cudaGraph_t graph = nullptr;
            blink::cuda::check(cudaStreamEndCapture(s.stream, &graph), "cudaStreamEndCapture");
            cudaGraphExec_t ready = nullptr;
            const cudaError_t status = cudaGraphInstantiate(&ready, graph, 0);
            (void)cudaGraphDestroy(graph);
            blink::cuda::check(status, "cudaGraphInstantiate");
            graphs_.push_back(ready);
            blink::cuda::check(cudaGraphUpload(ready, s.stream), "cudaGraphUpload");
        }
    }
    ~recorded() {
        for (const cudaGraphExec_t g : graphs_) { (void)cudaGraphExecDestroy(g); }
    }
    recorded(const recorded&) = delete;
    recorded& operator=(const recorded&) = delete;

    void launch() const {
        for (std::size_t i = 0; i < graphs_.size(); ++i) {
            const blink::cuda::device_scope current(streams_[i].device);
            blink::cuda::check(cudaGraphLaunch(graphs_[i], streams_[i].stream), "cudaGraphLaunch");
        }
    }

  private:
    std::vector<driven_rank> streams_;
    std::vector<cudaGraphExec_t> graphs_;
};

} // namespace blink_perf
