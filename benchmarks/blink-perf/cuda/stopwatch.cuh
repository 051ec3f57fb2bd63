// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Events and graphs on the streams of ranks, for timing.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <algorithm>
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

/// What `call` enqueues on the streams, as graphs that can be launched again and again: one a device, or one over all.
class recorded {
  public:
    /// @param streams each once
    /// @param together one graph, as calls need whose streams wait for each other
    template <class Call>
    recorded(std::vector<driven_rank> streams, const Call& call, bool together = false) : streams_(std::move(streams)) {
        for (const driven_rank& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            if (together && &s != &streams_.front()) {
                follow(streams_.front(), s);
                continue;
            }
            blink::cuda::check(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeRelaxed),
                               "cudaStreamBeginCapture");
        }
        call();
        if (together) {
            others_.assign(streams_.begin() + 1, streams_.end());
            streams_.resize(1);
            for (const driven_rank& s : others_) { follow(s, streams_.front()); }
        }
        for (const driven_rank& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            cudaGraph_t graph = nullptr;
            blink::cuda::check(cudaStreamEndCapture(s.stream, &graph), "cudaStreamEndCapture");
            copies_ += copies_in(graph);
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

    /// Enqueues the graphs: behind what their streams hold, ahead of what these get later.
    void launch() const {
        for (const driven_rank& s : others_) { follow(s, streams_.front()); }
        for (std::size_t i = 0; i < graphs_.size(); ++i) {
            const blink::cuda::device_scope current(streams_[i].device);
            blink::cuda::check(cudaGraphLaunch(graphs_[i], streams_[i].stream), "cudaGraphLaunch");
        }
        for (const driven_rank& s : others_) { follow(streams_.front(), s); }
    }

    /// Whether the calls go by copies.
    [[nodiscard]] bool has_copies() const noexcept { return copies_ > 0; }

  private:
    /// Copies among the nodes of a graph.
    static std::size_t copies_in(cudaGraph_t graph) {
        std::size_t count = 0;
        blink::cuda::check(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
        std::vector<cudaGraphNode_t> nodes(count);
        blink::cuda::check(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
        return static_cast<std::size_t>(std::ranges::count_if(nodes, [](cudaGraphNode_t node) {
            cudaGraphNodeType type{};
            blink::cuda::check(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
            return type == cudaGraphNodeTypeMemcpy;
        }));
    }

    /// Lets what `later` gets wait for what `first` holds.
    static void follow(const driven_rank& first, const driven_rank& later) {
        const blink::cuda::device_scope current(first.device);
        cudaEvent_t e = nullptr;
        blink::cuda::check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreateWithFlags");
        blink::cuda::check(cudaEventRecord(e, first.stream), "cudaEventRecord");
        blink::cuda::check(cudaStreamWaitEvent(later.stream, e, 0), "cudaStreamWaitEvent");
        blink::cuda::check(cudaEventDestroy(e), "cudaEventDestroy");
    }

    std::vector<driven_rank> streams_; ///< on which graphs are launched
    std::vector<driven_rank> others_;  ///< that one of these graphs holds too
    std::vector<cudaGraphExec_t> graphs_;
    std::size_t copies_ = 0;
};

} // namespace blink_perf
