// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Stands in for the CUDA session in a build without nvcc.
#include <blink/core/error.hpp>

#include "session.hpp"

namespace blink_perf {

std::unique_ptr<session> make_cuda_session(const options& /*o*/) {
    throw blink::usage_error("--executor cuda: this build has no CUDA (configure with nvcc in the PATH)");
}

std::unique_ptr<session> make_process_session(const options& /*o*/, const seat& /*s*/) {
    throw blink::usage_error("--processes: this build has no CUDA (configure with nvcc in the PATH)");
}

std::unique_ptr<session> make_emulated_session(const options& /*o*/) {
    throw blink::usage_error("--emulate: this build has no CUDA (configure with nvcc in the PATH)");
}

int usable_gpus() noexcept { return 0; }

} // namespace blink_perf
