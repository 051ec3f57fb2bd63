// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>

#include "type_sweep.cuh"

BLINK_SWEEP_TYPE("uint8", std::uint8_t)
BLINK_SWEEP_TYPE("uint16", std::uint16_t)
BLINK_SWEEP_TYPE("uint32", std::uint32_t)
BLINK_SWEEP_TYPE("uint64", std::uint64_t)

TEST_CASE("a user's struct and functor are right on 8 virtual ranks" * doctest::skip(!gpu_test::one_gpu())) {
    gpu_test::sweep<gpu_test::located, gpu_test::larger_magnitude>(gpu_test::virtual_dgx1v());
    gpu_test::sweep<gpu_test::triple, gpu_test::add_triples>(gpu_test::virtual_dgx1v());
}

TEST_CASE("a user's struct and functor are right on the real GPUs" * doctest::skip(!gpu_test::two_gpus())) {
    gpu_test::sweep<gpu_test::located, gpu_test::larger_magnitude>(gpu_test::real_gpus());
    gpu_test::sweep<gpu_test::triple, gpu_test::add_triples>(gpu_test::real_gpus());
}
