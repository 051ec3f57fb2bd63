// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Eager calls of one rank follow each other, whatever streams they are on.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <optional>

namespace blink::cuda {

/// Remembers where the last eager call was enqueued, so that the next one on another stream waits for it.
class call_order {
  public:
    explicit call_order(int device) {
        const device_scope current(device);
        check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~call_order() { (void)cudaEventDestroy(done_); }
    call_order(const call_order&) = delete;
    call_order& operator=(const call_order&) = delete;

    /// Calls `enqueue()`, which puts a call on `stream` of the current device, behind the last call. Captured calls are
    /// ordered by who launches the graph.
    /// @param own a stream that lives as long as this
    template <class Enqueue>
    void follow(cudaStream_t stream, cudaStream_t own, const Enqueue& enqueue) {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
        const bool captured = status != cudaStreamCaptureStatusNone;
        if (!captured && last_ && *last_ != stream) {
            if (*last_ == own) { check(cudaEventRecord(done_, own), "cudaEventRecord"); }
            check(cudaStreamWaitEvent(stream, done_, 0), "cudaStreamWaitEvent");
        }
        enqueue();
        if (captured) { return; }
        last_ = stream;
        // A stream of the user's may be gone by the next call, so it is marked at once.
        if (stream != own) { check(cudaEventRecord(done_, stream), "cudaEventRecord"); }
    }

  private:
    cudaEvent_t done_ = nullptr;
    std::optional<cudaStream_t> last_;
};

} // namespace blink::cuda
