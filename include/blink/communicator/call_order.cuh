// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Eager calls of one rank follow each other, whatever streams they are on.
#pragma once

#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/start_kernel.cuh>

#include <cuda_runtime_api.h>

#include <optional>

namespace blink::cuda {

/// Remembers where the last eager call was enqueued, so that the next one on another stream waits for it.
class call_order {
  public:
    explicit call_order(int device) {
        const device_scope current(device);
        check(cudaEventCreateWithFlags(&done_.event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~call_order() { (void)cudaEventDestroy(done_.event); }
    call_order(const call_order&) = delete;
    call_order& operator=(const call_order&) = delete;

    /// Calls `enqueue(mark)`, which puts a call on the stream of `here`, behind the last call. Captured calls are
    /// ordered by who launches the graph.
    /// @param own a stream that lives as long as this
    /// @param enqueue may have a launch record the mark, if there is one; else that is done here
    template <class Enqueue>
    void follow(const launch_place& here, cudaStream_t own, const Enqueue& enqueue) {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        check(cudaStreamIsCapturing(here.stream, &status), "cudaStreamIsCapturing");
        if (status != cudaStreamCaptureStatusNone) { return enqueue(nullptr); }
        const bool is_own = here.stream == own;
        const unsigned long long id = is_own ? 0 : id_of(here.stream);
        if (last_ && *last_ != id) { catch_up(here, own); }
        // A stream of the user's may be gone by the next call, so it is marked at once.
        done_.is_recorded = false;
        enqueue(is_own ? nullptr : &done_);
        last_ = id;
        last_is_own_ = is_own;
        if (!is_own && !done_.is_recorded) { check(cudaEventRecord(done_.event, here.stream), "cudaEventRecord"); }
    }

    /// What is enqueued at `here` from now on follows the last call.
    void catch_up(const launch_place& here, cudaStream_t own) const {
        if (last_is_own_) { check(cudaEventRecord(done_.event, own), "cudaEventRecord"); }
        wait_for_mark(here, done_.event);
    }

  private:
    /// A number above 0 that no other stream ever has, though its handle may come again.
    static unsigned long long id_of(cudaStream_t stream) {
        unsigned long long id = 0;
        check(cudaStreamGetId(stream, &id), "cudaStreamGetId");
        return id;
    }

    launch_mark done_;
    std::optional<unsigned long long> last_; ///< stream; 0: the own one
    bool last_is_own_ = false;
};

} // namespace blink::cuda
