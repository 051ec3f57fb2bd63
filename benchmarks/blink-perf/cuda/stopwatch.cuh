// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Events, graphs and the streams of a group, for timing.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink_perf {

/// Marks on one stream and the seconds between them.
class stopwatch {
  public:
    stopwatch(int device, cudaStream_t stream) : device_(device), stream_(stream) {}
    ~stopwatch() {
        for (const cudaEvent_t e : marks_) { (void)cudaEventDestroy(e); }
    }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;

    /// Enqueues a mark and gives its number.
    std::size_t mark() {
        const blink::cuda::device_scope current(device_);
        cudaEvent_t e = nullptr;
        blink::cuda::check(cudaEventCreate(&e), "cudaEventCreate");
        marks_.push_back(e);
        blink::cuda::check(cudaEventRecord(e, stream_), "cudaEventRecord");
        return marks_.size() - 1;
    }

    /// Seconds between two marks that were passed.
    [[nodiscard]] double between(std::size_t from, std::size_t to) const {
        float milliseconds = 0;
        blink::cuda::check(cudaEventElapsedTime(&milliseconds, marks_.at(from), marks_.at(to)), "cudaEventElapsedTime");
        return static_cast<double>(milliseconds) * 1e-3;
    }

  private:
    int device_;
    cudaStream_t stream_;
    std::vector<cudaEvent_t> marks_;
};

/// A device of the group with its stream.
struct lane_stream {
    int device = 0;
    cudaStream_t stream = nullptr;
};

/// Each stream of the group once.
template <class Group>
[[nodiscard]] std::vector<lane_stream> streams_of(const Group& g) {
    std::vector<lane_stream> list;
    for (int r = 0; r < g.size(); ++r) {
        if (list.empty() || list.back().stream != g.stream(r)) { list.push_back({g.device(r), g.stream(r)}); }
    }
    return list;
}

/// What `call` enqueues on the streams, as graphs that can be launched again and again: one a device, or one over all.
class recorded {
  public:
    /// @param together one graph, as calls need that wait for each other on the host's side of the streams
    template <class Call>
    recorded(std::vector<lane_stream> streams, const Call& call, bool together = false) : streams_(std::move(streams)) {
        for (const lane_stream& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            if (together && &s != &streams_.front()) {
                follow(streams_.front(), s);
                continue;
            }
            blink::cuda::check(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeRelaxed),
                               "cudaStreamBeginCapture");
        }
        call();
        for (std::size_t i = 1; together && i < streams_.size(); ++i) { follow(streams_[i], streams_.front()); }
        if (together) {
            others_.assign(streams_.begin() + 1, streams_.end());
            streams_.resize(1);
        }
        for (const lane_stream& s : streams_) {
            const blink::cuda::device_scope current(s.device);
            cudaGraph_t graph = nullptr;
            blink::cuda::check(cudaStreamEndCapture(s.stream, &graph), "cudaStreamEndCapture");
            copies_ += copies_in(graph);
            cudaGraphExec_t ready = nullptr;
            const cudaError_t status = cudaGraphInstantiate(&ready, graph, 0);
            (void)cudaGraphDestroy(graph);
            blink::cuda::check(status, "cudaGraphInstantiate");
            graphs_.push_back(ready);
        }
    }
    ~recorded() {
        for (const cudaGraphExec_t g : graphs_) { (void)cudaGraphExecDestroy(g); }
    }
    recorded(const recorded&) = delete;
    recorded& operator=(const recorded&) = delete;

    /// Enqueues the graphs: behind what their streams hold, ahead of what these get later.
    void launch() const {
        for (const lane_stream& s : others_) { follow(s, streams_.front()); }
        for (std::size_t i = 0; i < graphs_.size(); ++i) {
            const blink::cuda::device_scope current(streams_[i].device);
            blink::cuda::check(cudaGraphLaunch(graphs_[i], streams_[i].stream), "cudaGraphLaunch");
        }
        for (const lane_stream& s : others_) { follow(streams_.front(), s); }
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
    static void follow(const lane_stream& first, const lane_stream& later) {
        const blink::cuda::device_scope current(first.device);
        cudaEvent_t e = nullptr;
        blink::cuda::check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreateWithFlags");
        blink::cuda::check(cudaEventRecord(e, first.stream), "cudaEventRecord");
        blink::cuda::check(cudaStreamWaitEvent(later.stream, e, 0), "cudaStreamWaitEvent");
        blink::cuda::check(cudaEventDestroy(e), "cudaEventDestroy");
    }

    std::vector<lane_stream> streams_; ///< on which graphs are launched
    std::vector<lane_stream> others_;  ///< that one of these graphs holds too
    std::vector<cudaGraphExec_t> graphs_;
    std::size_t copies_ = 0;
};

} // namespace blink_perf
