// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Groups of ranks. `local_group` is all ranks of one process. `communicator` is one rank of processes that drive a GPU
/// each; it needs nvcc, and is apart from the collectives' headers since most programs need one of the two.
#pragma once

#include <blink/local_group.hpp>

#if defined(__CUDACC__)
#include <blink/communicator/process_group.cuh>
#endif
