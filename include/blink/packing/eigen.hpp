// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Eigen's dense arrays, as plain host code under every compiler.
///
/// Under nvcc Eigen would annotate itself for the device and be reported for it place by place; users of a header
/// cannot be asked for flags. A program that uses Eigen in kernels of its own includes <Eigen/Core> before Blink.
#pragma once

#if defined(__CUDACC__) && !defined(EIGEN_NO_CUDA) && !defined(EIGEN_CORE_H)
#define EIGEN_NO_CUDA
#include <Eigen/Core>
#undef EIGEN_NO_CUDA
#else
#include <Eigen/Core>
#endif
