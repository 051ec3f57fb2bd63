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
        if (status != cudaStreamCaptureStatusNone) { return enqueue(); }
        const bool is_own = stream == own;
        const unsigned long long id = is_own ? own_id : id_of(stream);
        if (last_ && *last_ != id) { catch_up(stream, own); }
        enqueue();
        last_ = id;
        // A stream of the user's may be gone by the next call, so it is marked at once.
        if (!is_own) { check(cudaEventRecord(done_, stream), "cudaEventRecord"); }
    }

    /// What is enqueued on `stream` from now on follows the last call.
    void catch_up(cudaStream_t stream, cudaStream_t own) const {
        if (last_ == own_id) { check(cudaEventRecord(done_, own), "cudaEventRecord"); }
        check(cudaStreamWaitEvent(stream, done_, 0), "cudaStreamWaitEvent");
    }

  private:
    static constexpr unsigned long long own_id = 0;

    /// A number above 0 that no other stream ever has, though its handle may come again.
    static unsigned long long id_of(cudaStream_t stream) {
        unsigned long long id = 0;
        check(cudaStreamGetId(stream, &id), "cudaStreamGetId");
        return id;
    }

    cudaEvent_t done_ = nullptr;
    std::optional<unsigned long long> last_; ///< the stream of the last call
};

} // namespace blink::cuda
