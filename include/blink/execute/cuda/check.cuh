// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// CUDA runtime calls that throw, and the guard that puts the current device back.
#pragma once

#include <blink/core/error.hpp>

#include <cuda_runtime_api.h>

#include <optional>
#include <source_location>
#include <string>

namespace blink::cuda {

/// Throws where `status` is an error, and clears the runtime's sticky error.
/// @throw cuda_error naming the call, the error and the place
inline void check(cudaError_t status, const char* call,
                  const std::source_location place = std::source_location::current()) {
    if (status == cudaSuccess) { return; }
    (void)cudaGetLastError();
    throw cuda_error(std::string(call) + ": " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ") at " +
                     place.file_name() + ":" + std::to_string(place.line()));
}

/// @param stream not being captured: the runtime does not say then whose it is, and ends the capture
/// @throw usage_error where `stream` is not one of `device`
inline void check_stream(cudaStream_t stream, int device) {
#if CUDART_VERSION >= 12080
    int owner = device;
    check(cudaStreamGetDevice(stream, &owner), "cudaStreamGetDevice");
    if (owner != device) {
        throw usage_error("a stream of GPU " + std::to_string(owner) + " was given for a rank on GPU " +
                          std::to_string(device));
    }
#else
    (void)stream;
    (void)device;
#endif
}

/// Makes a device current for a scope. Never throws, so that destructors may use it; where the device cannot be made
/// current, the next call on it says so.
class device_scope {
  public:
    explicit device_scope(int device) noexcept {
        const bool known = cudaGetDevice(&before_) == cudaSuccess;
        if (known && device == before_) { return; }
        (void)cudaSetDevice(device);
        goes_back_ = known;
    }
    ~device_scope() {
        if (goes_back_) { (void)cudaSetDevice(before_); }
    }
    device_scope(const device_scope&) = delete;
    device_scope& operator=(const device_scope&) = delete;

  private:
    int before_ = 0;
    bool goes_back_ = false;
};

/// Makes a device current for a scope where `stream` is one of the names that mean a stream of the current device.
class stream_scope {
  public:
    stream_scope(cudaStream_t stream, int device) noexcept {
        if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
            current_.emplace(device);
        }
    }

  private:
    std::optional<device_scope> current_;
};

} // namespace blink::cuda
