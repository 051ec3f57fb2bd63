// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What is told to streams, recorded as a graph for each of them.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace gpu_test {

/// The stream of each of its GPUs.
template <class Group>
[[nodiscard]] std::vector<cudaStream_t> streams_of(const Group& group) {
    std::vector<cudaStream_t> streams;
    for (int r = 0; r < group.size(); ++r) {
        if (r == 0 || group.device(r) != group.device(r - 1)) { streams.push_back(group.stream(r)); }
    }
    return streams;
}

/// Graphs of the work that `enqueue()` puts on `streams`. Such work has been done before, and all replays are finished
/// when this goes.
class recorded_calls {
  public:
    template <class Enqueue>
    recorded_calls(std::vector<cudaStream_t> streams, const Enqueue& enqueue) : streams_(std::move(streams)) {
        for (const cudaStream_t s : streams_) {
            blink::cuda::check(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
        }
        enqueue();
        for (const cudaStream_t s : streams_) {
            cudaGraph_t graph = nullptr;
            blink::cuda::check(cudaStreamEndCapture(s, &graph), "cudaStreamEndCapture");
            blink::cuda::check(cudaGraphInstantiate(&graphs_.emplace_back(), graph, 0), "cudaGraphInstantiate");
            blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
        }
    }
    ~recorded_calls() {
        for (const cudaGraphExec_t g : graphs_) { (void)cudaGraphExecDestroy(g); }
    }
    recorded_calls(const recorded_calls&) = delete;
    recorded_calls& operator=(const recorded_calls&) = delete;

    void replay() const {
        for (std::size_t i = 0; i < graphs_.size(); ++i) {
            blink::cuda::check(cudaGraphLaunch(graphs_[i], streams_[i]), "cudaGraphLaunch");
        }
    }

  private:
    std::vector<cudaStream_t> streams_;
    std::vector<cudaGraphExec_t> graphs_;
};

} // namespace gpu_test
