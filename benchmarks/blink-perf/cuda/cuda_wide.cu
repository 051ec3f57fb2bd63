// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda_backend.cuh"

namespace blink_perf {
namespace {

template <class Backend>
outcome measured(Backend& b, const job& j) {
    return j.type == element_type::float64 ? measure_type<double>(b, j) : measure_type<float>(b, j);
}

} // namespace

outcome measure_wide(cuda_backend& b, const job& j) { return measured(b, j); }
outcome measure_wide(process_backend& b, const job& j) { return measured(b, j); }

} // namespace blink_perf
