// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Eigen's dense arrays, quiet under nvcc.
///
/// Eigen annotates host code for the device, which nvcc reports place by place; users of a header cannot be
/// asked for flags, so the report is switched off here and for Eigen alone.
#pragma once

#if defined(__CUDACC__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 20012, 20013, 20014, 20015
#endif

#include <Eigen/Core>

#if defined(__CUDACC__)
#pragma nv_diagnostic pop
#endif
