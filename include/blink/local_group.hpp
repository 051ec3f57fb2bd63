// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// `local_group`: all ranks of one process, every visible GPU where the compiler is nvcc and there are GPUs, else host
/// ranks.
#pragma once

#include <blink/communicator/host_group.hpp>
#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/options.hpp>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/communicator/rank_group.hpp>

#if defined(__CUDACC__)
#include <blink/communicator/device_or_host_group.cuh>
#else

namespace blink {

/// Host ranks: this translation unit is compiled without CUDA.
using local_group = host_group;

} // namespace blink

#endif
