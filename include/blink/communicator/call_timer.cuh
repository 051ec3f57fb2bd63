// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The times of calls on a stream, for chunk policies that learn from them.
#pragma once

#include <blink/execute/cuda/check.cuh>
#include <blink/schedule/chunk.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <deque>
#include <utility>

namespace blink::cuda {

/// Marks the beginning and the end of calls, and tells their policies the times once they are known, in the order of
/// the calls. Nothing waits for that: a policy learns from a call at the earliest when the next one is enqueued.
class call_timer {
  public:
    call_timer() = default;
    call_timer(const call_timer&) = delete;
    call_timer& operator=(const call_timer&) = delete;
    ~call_timer() {
        for (const pending& p : pending_) {
            (void)cudaEventDestroy(p.before);
            (void)cudaEventDestroy(p.after);
        }
    }

    /// Calls `enqueue`, which puts a collective of `bytes` on `stream` of `device`. Marks are set only for a policy
    /// that learns, and not while the stream is captured: a graph's calls have one chunk size for ever.
    template <class Enqueue>
    void timed(int device, cudaStream_t stream, const chunk_choice& policy, std::size_t bytes, const Enqueue& enqueue) {
        if (!policy.learns() || is_captured(stream)) {
            enqueue();
            return;
        }
        const device_scope current(device);
        const cudaEvent_t before = marked(stream);
        enqueue();
        pending_.push_back({policy, bytes, before, marked(stream)});
    }

    /// Tells the times of the calls that have ended.
    void tell() {
        while (!pending_.empty() && cudaEventQuery(pending_.front().after) == cudaSuccess) {
            pending p = pending_.front();
            pending_.pop_front();
            float ms = 0;
            const cudaError_t status = cudaEventElapsedTime(&ms, p.before, p.after);
            (void)cudaEventDestroy(p.before);
            (void)cudaEventDestroy(p.after);
            check(status, "cudaEventElapsedTime");
            p.policy.observe(p.bytes, static_cast<double>(ms) * 1e-3);
        }
    }

  private:
    struct pending {
        chunk_choice policy;
        std::size_t bytes;
        cudaEvent_t before;
        cudaEvent_t after;
    };

    static bool is_captured(cudaStream_t stream) {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
        return status != cudaStreamCaptureStatusNone;
    }

    static cudaEvent_t marked(cudaStream_t stream) {
        cudaEvent_t e = nullptr;
        check(cudaEventCreate(&e), "cudaEventCreate");
        check(cudaEventRecord(e, stream), "cudaEventRecord");
        return e;
    }

    std::deque<pending> pending_;
};

} // namespace blink::cuda
