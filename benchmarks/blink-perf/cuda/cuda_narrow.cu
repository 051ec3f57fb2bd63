// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "cuda_backend.cuh"

namespace blink_perf {
namespace {

template <class Backend>
outcome measured(Backend& b, const job& j) {
    switch (j.type) {
    case element_type::half:
        return measure_type<__half>(b, j);
    case element_type::bfloat16:
        return measure_type<__nv_bfloat16>(b, j);
    case element_type::fp8_e4m3:
        return measure_type<__nv_fp8_e4m3>(b, j);
    default:
        return measure_type<__nv_fp8_e5m2>(b, j);
    }
}

} // namespace

outcome measure_narrow(cuda_backend& b, const job& j) { return measured(b, j); }
outcome measure_narrow(process_backend& b, const job& j) { return measured(b, j); }

} // namespace blink_perf
