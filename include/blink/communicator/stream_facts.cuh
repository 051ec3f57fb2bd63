// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What every call asks of its stream. The driver is asked itself: the runtime looks for the current device first,
/// which takes several times as long as the answer.
#pragma once

#include <blink/communicator/driver_function.cuh>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

namespace blink::cuda {

/// Whether this is no stream's handle, but a name that means a stream of the current device.
[[nodiscard]] inline bool is_name(cudaStream_t stream) {
    return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

namespace detail {

/// False where the runtime has to be asked: for a name of a stream, which means another one to each device, and for the
/// words of an error.
template <class Value>
[[nodiscard]] bool driver_tells(int (*ask)(cudaStream_t, Value*), cudaStream_t stream, Value& answer) {
    return !is_name(stream) && ask != nullptr && ask(stream, &answer) == 0;
}

} // namespace detail

/// A number above 0 that no other stream ever has, though its handle may come again.
/// @throw cuda_error for what is no stream
[[nodiscard]] inline unsigned long long number_of(cudaStream_t stream) {
    using question = int(cudaStream_t, unsigned long long*);
    static question* const ask = driver_function<question>("cuStreamGetId");
    unsigned long long id = 0;
    if (!detail::driver_tells(ask, stream, id)) { check(cudaStreamGetId(stream, &id), "cudaStreamGetId"); }
    return id;
}

/// Whether what is put on `stream` becomes part of a graph.
/// @throw cuda_error for what is no stream
[[nodiscard]] inline bool is_captured(cudaStream_t stream) {
    using question = int(cudaStream_t, int*);
    static question* const ask = driver_function<question>("cuStreamIsCapturing");
    int answer = cudaStreamCaptureStatusNone;
    if (detail::driver_tells(ask, stream, answer)) { return answer != cudaStreamCaptureStatusNone; }
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
}

} // namespace blink::cuda
