// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls of a group captured into one graph over all its GPUs.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace gpu_test {

inline cudaEvent_t event_on(int device) {
    const blink::cuda::device_scope current(device);
    cudaEvent_t e = nullptr;
    blink::cuda::check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return e;
}

/// Lets `follower` wait for what `leader` holds.
inline void follow(blink::cuda_group& group, int leader, int follower) {
    const cudaEvent_t e = event_on(group.device(leader));
    blink::cuda::check(cudaEventRecord(e, group.stream(leader)), "cudaEventRecord");
    blink::cuda::check(cudaStreamWaitEvent(group.stream(follower), e, 0), "cudaStreamWaitEvent");
    blink::cuda::check(cudaEventDestroy(e), "cudaEventDestroy");
}

/// Captures the streams of all ranks into one graph.
template <class Enqueue>
cudaGraph_t captured(blink::cuda_group& group, const Enqueue& enqueue) {
    blink::cuda::check(cudaStreamBeginCapture(group.stream(0), cudaStreamCaptureModeThreadLocal),
                       "cudaStreamBeginCapture");
    for (int r = 1; r < group.size(); ++r) { follow(group, 0, r); }
    enqueue();
    for (int r = 1; r < group.size(); ++r) { follow(group, r, 0); }
    cudaGraph_t graph = nullptr;
    blink::cuda::check(cudaStreamEndCapture(group.stream(0), &graph), "cudaStreamEndCapture");
    return graph;
}

inline cudaGraphExec_t ready(cudaGraph_t graph) {
    cudaGraphExec_t made = nullptr;
    blink::cuda::check(cudaGraphInstantiate(&made, graph, 0), "cudaGraphInstantiate");
    blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    return made;
}

/// Copies in a graph, which goes.
inline std::size_t copies_in(cudaGraph_t graph) {
    std::size_t count = 0;
    blink::cuda::check(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
    std::vector<cudaGraphNode_t> nodes(count);
    blink::cuda::check(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
    std::size_t copies = 0;
    for (const cudaGraphNode_t node : nodes) {
        cudaGraphNodeType type{};
        blink::cuda::check(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
        copies += type == cudaGraphNodeTypeMemcpy ? 1 : 0;
    }
    blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    return copies;
}

} // namespace gpu_test
