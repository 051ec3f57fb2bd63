// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One order for calls on a device: those made one by one, and those that graphs replay.
#pragma once

#include <blink/communicator/stream_facts.cuh>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace blink::preload {

/// Where a stream stands in the graph that it is captured into; `id` is 0 where it is not captured.
struct capture_point {
    unsigned long long id = 0;
    cudaGraph_t graph = nullptr;
    std::vector<cudaGraphNode_t> after; ///< what the stream's next node will depend on

    /// Cannot be asked of the default stream while another thread captures: that one is not captured.
    /// @param device whose stream it is
    /// @throw cuda_error where the driver refuses otherwise
    [[nodiscard]] static capture_point of(cudaStream_t stream, int device) {
        if (!cuda::is_name(stream) && !cuda::is_captured(stream)) { return {}; }
        const cuda::stream_scope current(stream, device);
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

/// Calls that share slots follow each other, whatever streams and graphs they are in. An event that graphs wait for and
/// record as an external one stands behind the last call that was launched, by itself or in a graph: the order in which
/// the host launches them is the order in which they run.
class captured_calls {
  public:
    /// Puts what is enqueued on a stream from then on behind all calls made one by one.
    using follower = std::function<void(cudaStream_t)>;

    /// Calls made one by one follow each other by other means, so nothing is recorded behind them as long as none is
    /// captured.
    /// @param idle a stream of `device` that lives as long as this
    captured_calls(int device, follower behind_eager, cudaStream_t idle)
        : device_(device), behind_eager_(std::move(behind_eager)), idle_(idle) {
        const cuda::device_scope current(device);
        cuda::check(cudaEventCreateWithFlags(&last_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~captured_calls() { (void)cudaEventDestroy(last_); }
    captured_calls(const captured_calls&) = delete;
    captured_calls& operator=(const captured_calls&) = delete;

    /// What is put on `stream` of the device from here on until `after` is a call, behind the last one in a graph.
    /// @param capture that of `capture_point::of(stream, device)`
    /// @throw cuda_error where the driver refuses
    void before(cudaStream_t stream, unsigned long long capture) {
        capture_ = capture;
        if (capture_ == 0) {
            // Any graph may have been launched since the last call.
            if (any_captured_) {
                const cuda::stream_scope current(stream, device_);
                cuda::check(cudaStreamWaitEvent(stream, last_, 0), "cudaStreamWaitEvent");
            }
            return;
        }
        if (!any_captured_.exchange(true)) {
            behind_eager_(idle_);
            cuda::check(cudaEventRecord(last_, idle_), "cudaEventRecord");
        }
        if (const auto known = graphs_.find(capture_); known == graphs_.end()) {
            cuda::check(cudaStreamWaitEvent(stream, last_, cudaEventWaitExternal), "cudaStreamWaitEvent");
        } else if (stream != known->second.stream) {
            join(stream, known->second.calls);
        }
    }

    /// Between `before` and `after`: the call on `stream` also follows the last one of `other`, of the same device.
    /// Where it is captured, then only the last one in the same graph, as `other` may be gone when that is launched.
    /// @throw cuda_error where the driver refuses
    void follow(captured_calls& other, cudaStream_t stream) const {
        if (capture_ == 0) {
            if (other.any_captured_) {
                return cuda::check(cudaStreamWaitEvent(stream, other.last_, 0), "cudaStreamWaitEvent");
            }
            return other.behind_eager_(stream);
        }
        const std::lock_guard lock(other.guard_);
        const auto known = other.graphs_.find(capture_);
        if (known != other.graphs_.end()) { join(stream, known->second.calls); }
    }

    /// The call is on `stream`.
    /// @throw cuda_error where the driver refuses
    void after(cudaStream_t stream) {
        if (capture_ == 0) {
            if (!any_captured_) { return; }
            const cuda::stream_scope current(stream, device_);
            return cuda::check(cudaEventRecord(last_, stream), "cudaEventRecord");
        }
        const capture_point at = capture_point::of(stream, device_);
        const std::lock_guard lock(guard_);
        if (graphs_.size() > most_graphs && !graphs_.contains(at.id)) { graphs_.erase(graphs_.begin()); }
        graph_end& end = graphs_[at.id];
        // The event is recorded beside the stream, so that what follows on it does not wait for that.
        if (end.mark == nullptr) {
            cuda::check(cudaGraphAddEventRecordNode(&end.mark, at.graph, at.after.data(), at.after.size(), last_),
                        "cudaGraphAddEventRecordNode");
        } else {
            move_mark(at.graph, end, at.after);
        }
        end.stream = stream;
        end.calls = at.after;
    }

    /// A stream that is done when the last call is that was launched.
    /// @throw cuda_error where the driver refuses
    [[nodiscard]] cudaStream_t behind_last() const {
        if (any_captured_) {
            cuda::check(cudaStreamWaitEvent(idle_, last_, 0), "cudaStreamWaitEvent");
        } else {
            behind_eager_(idle_);
        }
        return idle_;
    }

    /// Waits for the last call that was launched.
    void wait() const noexcept {
        try {
            cuda::check(cudaStreamSynchronize(behind_last()), "cudaStreamSynchronize");
        } catch (const error&) { (void)cudaGetLastError(); } // the calls ended in an error, which they told
    }

  private:
    /// Where the calls of a graph end that is being captured, or was.
    struct graph_end {
        cudaStream_t stream = nullptr;
        std::vector<cudaGraphNode_t> calls;
        cudaGraphNode_t mark = nullptr;
    };
    static constexpr std::size_t most_graphs = 64; ///< as many may be captured at once; nobody tells when one is done

    /// The next node of `stream` follows `calls` of its graph.
    static void join(cudaStream_t stream, std::vector<cudaGraphNode_t>& calls) {
#if CUDART_VERSION >= 13000
        const cudaError_t joined = cudaStreamUpdateCaptureDependencies(stream, calls.data(), nullptr, calls.size(),
                                                                       cudaStreamAddCaptureDependencies);
#else
        const cudaError_t joined =
            cudaStreamUpdateCaptureDependencies(stream, calls.data(), calls.size(), cudaStreamAddCaptureDependencies);
#endif
        cuda::check(joined, "cudaStreamUpdateCaptureDependencies");
    }

    /// The mark follows `calls` instead of those that came before them: one a graph, as each takes its time.
    static void move_mark(cudaGraph_t graph, const graph_end& end, const std::vector<cudaGraphNode_t>& calls) {
        const std::vector<cudaGraphNode_t> marks(std::max(end.calls.size(), calls.size()), end.mark);
#if CUDART_VERSION >= 13000
        cuda::check(cudaGraphRemoveDependencies(graph, end.calls.data(), marks.data(), nullptr, end.calls.size()),
                    "cudaGraphRemoveDependencies");
        cuda::check(cudaGraphAddDependencies(graph, calls.data(), marks.data(), nullptr, calls.size()),
                    "cudaGraphAddDependencies");
#else
        cuda::check(cudaGraphRemoveDependencies(graph, end.calls.data(), marks.data(), end.calls.size()),
                    "cudaGraphRemoveDependencies");
        cuda::check(cudaGraphAddDependencies(graph, calls.data(), marks.data(), calls.size()),
                    "cudaGraphAddDependencies");
#endif
    }

    int device_;
    cudaEvent_t last_ = nullptr;
    follower behind_eager_;
    cudaStream_t idle_ = nullptr;
    std::atomic<bool> any_captured_ = false;
    unsigned long long capture_ = 0; ///< of the call between `before` and `after`; 0: it is made by itself
    std::mutex guard_;               ///< of `graphs_`
    std::map<unsigned long long, graph_end> graphs_; ///< by the number of the capture, which grows
};

} // namespace blink::preload
