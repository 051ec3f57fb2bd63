// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stands in for the CUDA executor where the library is built without nvcc: NCCL does everything.
#include <blink/core/error.hpp>

#include "executor.hpp"

namespace blink::preload {

std::unique_ptr<executor> make_executor(std::span<const int> /*devices*/, const settings& /*chosen*/) {
    throw usage_error("this libblink.so was built without CUDA");
}

std::unique_ptr<executor> make_process_executor(const process_place& /*at*/, const settings& /*chosen*/) {
    throw usage_error("this libblink.so was built without CUDA");
}

} // namespace blink::preload
