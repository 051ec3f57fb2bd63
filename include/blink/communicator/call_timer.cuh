// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The times of calls on a stream, for chunk policies that learn from them.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/schedule/chunk.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <list>

namespace blink::cuda {

/// Marks the beginning and the end of calls, and tells their policies the times once they are known, in the order of
/// the calls. Nothing waits for that: a policy learns from a call at the earliest when the next one is enqueued.
class call_timer {
  public:
    call_timer() = default;
    call_timer(const call_timer&) = delete;
    call_timer& operator=(const call_timer&) = delete;
    BLINK_SELDOM ~call_timer() {
        for (const pending& p : pending_) {
            (void)cudaEventDestroy(p.before);
            (void)cudaEventDestroy(p.after);
        }
    }

    /// Marks on `stream` of `device` where a collective begins whose policy learns; to be given to `end`. Null for any
    /// other policy, and while the stream is captured: nobody watches a graph's calls but the GPUs.
    [[nodiscard]] cudaEvent_t begin(int device, cudaStream_t stream, const chunk_choice& policy) const {
        return policy.learns() ? beginning(device, stream) : nullptr;
    }

    /// Marks there where the collective of `bytes` ends.
    void end(cudaEvent_t begun, int device, cudaStream_t stream, const chunk_choice& policy, std::size_t bytes) {
        if (begun != nullptr) { note(begun, device, stream, policy, bytes); }
    }

    /// Tells the times of the calls that have ended.
    void tell() {
        if (!pending_.empty()) { tell_ended(); }
    }

  private:
    struct pending {
        chunk_choice policy;
        std::size_t bytes;
        cudaEvent_t before;
        cudaEvent_t after;
    };

    BLINK_SELDOM void tell_ended() {
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

    [[nodiscard]] BLINK_SELDOM static cudaEvent_t beginning(int device, cudaStream_t stream) {
        const device_scope current(device);
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
        return status == cudaStreamCaptureStatusNone ? marked(stream) : nullptr;
    }

    BLINK_SELDOM void note(cudaEvent_t begun, int device, cudaStream_t stream, const chunk_choice& policy,
                           std::size_t bytes) {
        const device_scope current(device);
        pending_.push_back({policy, bytes, begun, marked(stream)});
    }

    BLINK_SELDOM static cudaEvent_t marked(cudaStream_t stream) {
        cudaEvent_t e = nullptr;
        check(cudaEventCreate(&e), "cudaEventCreate");
        check(cudaEventRecord(e, stream), "cudaEventRecord");
        return e;
    }

    std::list<pending> pending_;
};

} // namespace blink::cuda
