// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda_backend.cuh"

namespace blink_perf {
namespace {

template <class Backend>
outcome measured(Backend& b, const job& j) {
    switch (j.type) {
    case element_type::int8:
        return measure_type<std::int8_t>(b, j);
    case element_type::uint8:
        return measure_type<std::uint8_t>(b, j);
    case element_type::int32:
        return measure_type<std::int32_t>(b, j);
    case element_type::uint32:
        return measure_type<std::uint32_t>(b, j);
    case element_type::int64:
        return measure_type<std::int64_t>(b, j);
    default:
        return measure_type<std::uint64_t>(b, j);
    }
}

} // namespace

outcome measure_integers(cuda_backend& b, const job& j) { return measured(b, j); }
outcome measure_integers(process_backend& b, const job& j) { return measured(b, j); }

} // namespace blink_perf
