// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One order for all of Blink's kernels of this process: the same on every device, whatever communicators, streams and
/// graphs they belong to.
#pragma once

#include <blink/communicator/call_order.cuh>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/start_kernel.cuh>

#include <cuda_runtime_api.h>

#include <map>
#include <memory>
#include <mutex>

#include "captured_calls.cuh"

namespace blink::preload {

/// Kernels of a call wait for one another, so two calls that run at once in different orders could keep each other from
/// starting; and calls of one communicator share its slots. So on each device each call follows the one before.
class device_order {
  public:
    /// The time in which one call is put on all its devices, and no other one on any.
    class turn {
      public:
        turn() : lock_(order().guard_) {}

        /// What is put on `stream` of `device` from here on until `after` follows Blink's last call there.
        /// @param capture that of `capture_point::of(stream, device)`
        /// @return what the call's launch may record; null: nothing is needed
        /// @throw cuda_error where the driver refuses, usage_error for a stream of another device
        [[nodiscard]] cuda::launch_mark* before(int device, cudaStream_t stream, unsigned long long capture) const {
            calls& all = order().of(device);
            all.captured.before(stream, capture);
            all.are_eager = capture == 0;
            return all.are_eager ? all.eager.before(stream, all.own) : nullptr;
        }
        void after(int device, cudaStream_t stream) const {
            calls& all = order().of(device);
            if (all.are_eager) { all.eager.after(stream); }
            all.captured.after(stream);
        }

      private:
        std::lock_guard<std::mutex> lock_;
    };

    /// Waits for Blink's last call on `device`.
    static void wait_until_idle(int device) noexcept {
        try {
            cudaStream_t last = nullptr;
            {
                const std::lock_guard lock(order().guard_);
                const auto at = order().calls_.find(device);
                if (at == order().calls_.end()) { return; }
                last = at->second->captured.behind_last();
            }
            cuda::check(cudaStreamSynchronize(last), "cudaStreamSynchronize"); // others may put calls there meanwhile
        } catch (const error&) { (void)cudaGetLastError(); } // the calls ended in an error, which they told
    }

  private:
    /// Those on one device.
    struct calls {
        explicit calls(int device)
            : own(stream_on(device)), eager(device),
              captured(
                  device, [this](cudaStream_t on) { eager.catch_up(on, own); }, own) {}

        cudaStream_t own; ///< that no call is on
        cuda::call_order eager;
        captured_calls captured;
        bool are_eager = true; ///< of the call between `before` and `after`
    };

    static cudaStream_t stream_on(int device) {
        const cuda::device_scope current(device);
        cudaStream_t made = nullptr;
        cuda::check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        return made;
    }

    /// Never destroyed: the driver may be gone by the end of the process.
    static device_order& order() {
        static auto& one = *new device_order;
        return one;
    }

    calls& of(int device) {
        std::unique_ptr<calls>& all = calls_[device];
        if (all == nullptr) { all = std::make_unique<calls>(device); }
        return *all;
    }

    std::mutex guard_;
    std::map<int, std::unique_ptr<calls>> calls_;
};

} // namespace blink::preload
