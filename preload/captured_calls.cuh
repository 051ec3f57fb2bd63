// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One order for the calls of a rank: those made one by one, and those that graphs replay.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <vector>

namespace blink::preload {

/// Where a stream stands in the graph that it is captured into; `id` is 0 where it is not captured.
struct capture_point {
    unsigned long long id = 0;
    cudaGraph_t graph = nullptr;
    std::vector<cudaGraphNode_t> after; ///< what the stream's next node will depend on

    /// Cannot be asked of the default stream while another thread captures: that one is not captured.
    /// @throw cuda_error where the driver refuses otherwise
    [[nodiscard]] static capture_point of(cudaStream_t stream) {
        capture_point at;
        const cudaGraphNode_t* nodes = nullptr;
        std::size_t count = 0;
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
#if CUDART_VERSION >= 13000
        const cudaGraphEdgeData* edges = nullptr;
        const cudaError_t asked = cudaStreamGetCaptureInfo(stream, &status, &at.id, &at.graph, &nodes, &edges, &count);
#else
        const cudaError_t asked = cudaStreamGetCaptureInfo_v2(stream, &status, &at.id, &at.graph, &nodes, &count);
#endif
        if (asked == cudaErrorStreamCaptureImplicit) {
            (void)cudaGetLastError();
            return {};
        }
        cuda::check(asked, "cudaStreamGetCaptureInfo");
        if (status != cudaStreamCaptureStatusActive) { return {}; }
        at.after.assign(nodes, nodes + count);
        return at;
    }
};

/// Calls of a communicator share its slots, so each follows the one before, whatever streams and graphs they are in. An
/// event that graphs wait for and record as an external one stands behind the last call that was launched, by itself or
/// in a graph: the order in which the host launches them is the order in which they run.
class captured_calls {
  public:
    explicit captured_calls(int device) {
        const cuda::device_scope current(device);
        cuda::check(cudaEventCreateWithFlags(&last_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~captured_calls() { (void)cudaEventDestroy(last_); }
    captured_calls(const captured_calls&) = delete;
    captured_calls& operator=(const captured_calls&) = delete;

    /// Calls `enqueue()`, which puts a call on `stream` of the current device, behind the last call.
    /// @throw cuda_error where the driver refuses
    template <class Enqueue>
    void follow(cudaStream_t stream, const Enqueue& enqueue) {
        const capture_point before = capture_point::of(stream);
        if (before.id == 0) {
            if (captured_any_) { cuda::check(cudaStreamWaitEvent(stream, last_, 0), "cudaStreamWaitEvent"); }
            enqueue();
            cuda::check(cudaEventRecord(last_, stream), "cudaEventRecord");
            return;
        }
        if (before.id != graph_id_) {
            cuda::check(cudaStreamWaitEvent(stream, last_, cudaEventWaitExternal), "cudaStreamWaitEvent");
            mark_ = nullptr;
        } else if (stream != stream_) {
            join(stream);
        }
        enqueue();
        captured_any_ = true;
        mark(capture_point::of(stream));
        stream_ = stream;
    }

    /// Waits for the last call that was launched.
    void wait() const noexcept {
        (void)cudaEventSynchronize(last_);
        (void)cudaGetLastError();
    }

  private:
    /// The next node of `stream` follows the last call of its graph.
    void join(cudaStream_t stream) {
#if CUDART_VERSION >= 13000
        const cudaError_t joined = cudaStreamUpdateCaptureDependencies(stream, calls_.data(), nullptr, calls_.size(),
                                                                       cudaStreamAddCaptureDependencies);
#else
        const cudaError_t joined =
            cudaStreamUpdateCaptureDependencies(stream, calls_.data(), calls_.size(), cudaStreamAddCaptureDependencies);
#endif
        cuda::check(joined, "cudaStreamUpdateCaptureDependencies");
    }

    /// Records the event beside the stream, so that what follows on it does not wait for that.
    void mark(const capture_point& behind) {
        calls_ = behind.after;
        graph_id_ = behind.id;
        std::vector<cudaGraphNode_t> waits_for = behind.after;
        if (mark_ != nullptr) { waits_for.push_back(mark_); } // the last of a graph's marks is the one that stays
        cuda::check(cudaGraphAddEventRecordNode(&mark_, behind.graph, waits_for.data(), waits_for.size(), last_),
                    "cudaGraphAddEventRecordNode");
    }

    cudaEvent_t last_ = nullptr;
    bool captured_any_ = false;
    unsigned long long graph_id_ = 0; ///< of the last captured call; and in that graph:
    cudaStream_t stream_ = nullptr;
    std::vector<cudaGraphNode_t> calls_;
    cudaGraphNode_t mark_ = nullptr;
};

} // namespace blink::preload
