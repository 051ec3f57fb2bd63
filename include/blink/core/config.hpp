// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The one place where the core asks which compiler reads it.
#pragma once

#if defined(__CUDACC__)
/// Marks a function that user operators and kernels call on both sides.
#define BLINK_HOST_DEVICE __host__ __device__
/// Marks the code of kernels; under a plain C++ compiler it is host code, so that tests can run it on threads.
#define BLINK_DEVICE_CODE __device__
/// Unrolls the loop behind it completely.
#define BLINK_UNROLL _Pragma("unroll")
#else
#define BLINK_HOST_DEVICE
#define BLINK_DEVICE_CODE
#define BLINK_UNROLL _Pragma("GCC unroll 16")
#endif
