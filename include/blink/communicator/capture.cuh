// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What calls may do while streams are captured into graphs.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

namespace blink::cuda {

/// Lets this thread allocate, and look at events, while streams are captured.
class capture_pause {
  public:
    capture_pause() { check(cudaThreadExchangeStreamCaptureMode(&mode_), "cudaThreadExchangeStreamCaptureMode"); }
    ~capture_pause() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
    capture_pause(const capture_pause&) = delete;
    capture_pause& operator=(const capture_pause&) = delete;

  private:
    cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

} // namespace blink::cuda
