// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Work of Blink's that has to allocate or wait while the program captures a graph.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace blink::preload {

/// Lets a scope allocate and wait while some other thread of the program captures a graph; the work of this thread is
/// no part of that.
class relaxed_capture {
  public:
    relaxed_capture() noexcept { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
    ~relaxed_capture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
    relaxed_capture(const relaxed_capture&) = delete;
    relaxed_capture& operator=(const relaxed_capture&) = delete;

  private:
    cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// Whether a call may allocate, or ask whether an event is over, so that it needs a `relaxed_capture`, which takes
/// 0.11 us.
/// @param again see `executor`
[[nodiscard]] inline bool may_allocate(std::size_t bytes, bool again) noexcept {
    constexpr std::size_t short_call = std::size_t{1} << 20; // which has neither memory nor timers of its own
    return !again || bytes > short_call;
}

} // namespace blink::preload
