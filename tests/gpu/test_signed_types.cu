// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>

#include "type_sweep.cuh"

BLINK_SWEEP_TYPE("int8", std::int8_t)
BLINK_SWEEP_TYPE("int16", std::int16_t)
BLINK_SWEEP_TYPE("int32", std::int32_t)
BLINK_SWEEP_TYPE("int64", std::int64_t)
