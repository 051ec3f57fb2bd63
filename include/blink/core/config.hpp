// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The one place where the core asks which compiler reads it.
#pragma once

#if defined(__CUDACC__)
/// Marks a function that user operators and kernels call on both sides.
#define BLINK_HOST_DEVICE __host__ __device__
#else
#define BLINK_HOST_DEVICE
#endif
