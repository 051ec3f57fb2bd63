// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One order for all of Blink's kernels of this process: the same on every device, whatever communicators and streams
/// they belong to.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>

namespace blink::preload {

/// Kernels of a collective wait for one another, so two collectives that run at once in different orders could keep
/// each other from starting; and calls of one communicator share its slots. Behind each kernel an event is recorded,
/// for which the next one on that device waits, on whatever stream.
class device_order {
  public:
    /// The time in which one collective is put on all its devices, and no other one on any.
    class turn {
      public:
        turn() : lock_(order().guard_) {}

        /// Work on `stream` of `device` from here on follows Blink's last kernel there.
        /// @throw cuda_error where the driver refuses
        void wait_for_last(int device, cudaStream_t stream) const {
            const cuda::device_scope current(device);
            if (const auto last = order().last_.find(device); last != order().last_.end()) {
                cuda::check(cudaStreamWaitEvent(stream, last->second, 0), "cudaStreamWaitEvent");
            }
        }

        /// Blink's last kernel on `device` is the last work on `stream`.
        /// @throw cuda_error where the driver refuses
        void note_last(int device, cudaStream_t stream) const {
            const cuda::device_scope current(device);
            cudaEvent_t& last = order().last_[device];
            if (last == nullptr) {
                cuda::check(cudaEventCreateWithFlags(&last, cudaEventDisableTiming), "cudaEventCreateWithFlags");
            }
            cuda::check(cudaEventRecord(last, stream), "cudaEventRecord");
        }

      private:
        std::lock_guard<std::mutex> lock_;
    };

    /// Waits for Blink's last kernel on `device`.
    static void wait_until_idle(int device) noexcept {
        cudaEvent_t last = nullptr;
        {
            const std::lock_guard lock(order().guard_);
            if (const auto at = order().last_.find(device); at != order().last_.end()) { last = at->second; }
        }
        if (last == nullptr) { return; }
        const cuda::device_scope current(device);
        (void)cudaEventSynchronize(last);
        (void)cudaGetLastError();
    }

  private:
    /// Never destroyed: the driver may be gone by the end of the process.
    static device_order& order() {
        static auto& one = *new device_order;
        return one;
    }

    std::mutex guard_;
    std::map<int, cudaEvent_t> last_;
};

} // namespace blink::preload
