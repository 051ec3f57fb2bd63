// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "type_sweep.cuh"

BLINK_SWEEP_TYPE("fp8 e4m3", __nv_fp8_e4m3)
BLINK_SWEEP_TYPE("fp8 e5m2", __nv_fp8_e5m2)
