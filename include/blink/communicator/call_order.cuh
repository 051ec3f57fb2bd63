// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Eager calls of one rank follow each other, whatever streams they are on.
#pragma once

#include <blink/communicator/stream_facts.cuh>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/start_kernel.cuh>

#include <cuda_runtime_api.h>

#include <optional>
#include <utility>

namespace blink::cuda {

/// Remembers where the last eager call was enqueued, so that the next one on another stream waits for it.
class call_order {
  public:
    explicit call_order(int device) : device_(device) {
        const device_scope current(device);
        for (launch_mark* const m : {&done_, &next_}) {
            check(cudaEventCreateWithFlags(&m->event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
        }
    }
    ~call_order() {
        for (const launch_mark& m : {done_, next_}) { (void)cudaEventDestroy(m.event); }
    }
    call_order(const call_order&) = delete;
    call_order& operator=(const call_order&) = delete;

    /// What is put on `stream` of the device from here on until `after` is a call, behind the last one. Where it fails
    /// and `after` is left out, the last one stays what it was. Not for captured calls, which are ordered by who
    /// launches the graph.
    /// @param own a stream that lives as long as this
    /// @return what the launch of the call may record, the last one where there are several; null: nothing is needed
    /// @throw usage_error for a stream of another device
    [[nodiscard]] launch_mark* before(cudaStream_t stream, cudaStream_t own) {
        const stream_scope current(stream, device_);
        const bool is_own = stream == own;
        const unsigned long long id = is_own ? own_id : number_of(stream);
        if (last_ != id) {
            check_stream(stream, device_);
            if (last_) { catch_up(stream, own); }
        }
        id_ = id;
        next_.by_launch = false;
        return is_own ? nullptr : &next_;
    }

    /// The call is on `stream`, which may be gone by the next one, so its end is marked at once.
    void after(cudaStream_t stream) {
        if (id_ != own_id && !next_.by_launch) {
            const stream_scope current(stream, device_);
            check(cudaEventRecord(next_.event, stream), "cudaEventRecord");
        }
        if (id_ != own_id) { std::swap(done_, next_); }
        last_ = id_;
    }

    /// What is enqueued on `stream` from now on follows the last call.
    void catch_up(cudaStream_t stream, cudaStream_t own) const {
        const device_scope current(device_);
        launch_mark last = done_;
        if (last_ == own_id) {
            check(cudaEventRecord(last.event, own), "cudaEventRecord");
            last.by_launch = false;
        }
        wait_for_mark({device_, stream}, last);
    }

  private:
    static constexpr unsigned long long own_id = 0; ///< no stream has this number

    int device_;
    launch_mark done_;                       ///< behind the last call, unless that was on the own stream
    launch_mark next_;                       ///< for the call between `before` and `after`
    unsigned long long id_ = 0;              ///< the stream of that one
    std::optional<unsigned long long> last_; ///< the stream of the last call
};

} // namespace blink::cuda
