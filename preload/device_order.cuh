// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One order for all of Blink's kernels of this process: the same on every device, whatever communicators, streams and
/// graphs they belong to.
#pragma once

#include <blink/execute/cuda/check.cuh>

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
        /// @throw cuda_error where the driver refuses
        void before(int device, cudaStream_t stream) const {
            const cuda::device_scope current(device);
            order().of(device).before(stream);
        }
        void after(int device, cudaStream_t stream) const {
            const cuda::device_scope current(device);
            order().of(device).after(stream);
        }

      private:
        std::lock_guard<std::mutex> lock_;
    };

    /// Waits for Blink's last call on `device`.
    static void wait_until_idle(int device) noexcept {
        const captured_calls* last = nullptr;
        {
            const std::lock_guard lock(order().guard_);
            if (const auto at = order().calls_.find(device); at != order().calls_.end()) { last = at->second.get(); }
        }
        if (last == nullptr) { return; }
        const cuda::device_scope current(device);
        last->wait();
    }

  private:
    /// Never destroyed: the driver may be gone by the end of the process.
    static device_order& order() {
        static auto& one = *new device_order;
        return one;
    }

    captured_calls& of(int device) {
        std::unique_ptr<captured_calls>& calls = calls_[device];
        if (calls == nullptr) { calls = std::make_unique<captured_calls>(device); }
        return *calls;
    }

    std::mutex guard_;
    std::map<int, std::unique_ptr<captured_calls>> calls_;
};

} // namespace blink::preload
