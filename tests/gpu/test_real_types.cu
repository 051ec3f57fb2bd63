// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "type_sweep.cuh"

BLINK_SWEEP_TYPE("float", float)
BLINK_SWEEP_TYPE("double", double)
BLINK_SWEEP_TYPE("half", __half)
BLINK_SWEEP_TYPE("bfloat16", __nv_bfloat16)
