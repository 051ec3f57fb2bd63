// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The one place where the headers ask which compiler reads them, and how the program is put together.
#pragma once

#if defined(__CUDACC__)
/// Marks a function that user operators and kernels call on both sides.
#define BLINK_HOST_DEVICE __host__ __device__
/// Marks the code of kernels; under a plain C++ compiler it is host code, so that tests can run it on threads.
#define BLINK_DEVICE_CODE __device__
/// Unrolls the loop behind it completely.
#define BLINK_UNROLL _Pragma("unroll")
/// Keeps it a loop, where its steps are rare and code is dear.
#define BLINK_NO_UNROLL _Pragma("unroll 1")
/// Keeps a function that is rarely called out of its callers, so that what runs each time is short and close together.
/// What it takes and gives goes by value: a reference would put all of the caller's state into memory.
#define BLINK_RARE __noinline__
#else
#define BLINK_HOST_DEVICE
#define BLINK_DEVICE_CODE
#define BLINK_UNROLL _Pragma("GCC unroll 16")
#define BLINK_NO_UNROLL
#define BLINK_RARE
#endif

/// Of host functions that run rarely, or before something much longer: compiled for size, which takes less time.
#if defined(__GNUC__)
#define BLINK_SELDOM __attribute__((cold))
#else
#define BLINK_SELDOM
#endif

/// In kernels: the compiler may assume nothing about `x` from here on, so a product is rounded and not fused into a
/// sum.
/// @param constraint of the register that holds it: "+f", "+d" or "+r"
#if defined(__CUDA_ARCH__)
#define BLINK_OPAQUE(constraint, x) asm("" : constraint(x))
#else
#define BLINK_OPAQUE(constraint, x) static_cast<void>(x)
#endif

/// Planner, verifier, probe and whatever else knows neither types nor operators is declared in one header (`plan.hpp`)
/// and defined in another (`plan_impl.hpp`), which follows by itself. A program that is compiled with
/// BLINK_SEPARATE_COMPILATION has the definitions once, in <blink/separate.cpp>, and its other files compile faster.
/// No kernel needs them, so nvcc does not read them for the device.
#if defined(BLINK_SEPARATE_COMPILATION) || defined(__CUDA_ARCH__)
#define BLINK_DECLARATIONS_ONLY
#endif
#if defined(BLINK_DECLARATIONS_ONLY)
#define BLINK_INLINE
#else
#define BLINK_INLINE inline
#endif
