// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every pair of 16-bit numbers there is.
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/pair_sum.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

#include "groups.cuh"

namespace {

constexpr unsigned values = 1U << 16;

template <class T>
__device__ T of_bits(unsigned bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    T x;
    memcpy(&x, &half, sizeof x);
    return x;
}

template <class T>
__device__ bool same_bits(const T& a, const T& b) {
    std::uint16_t x = 0;
    std::uint16_t y = 0;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

/// Counts the pairs whose sum differs from that in float, rounded once; a block for each first number.
template <class T>
__global__ void count_differences(unsigned long long* different) {
    constexpr int width = blink::cuda::unit_elements<T>;
    blink::cuda::unit<T> a;
    for (int i = 0; i < width; ++i) { a.v[i] = of_bits<T>(blockIdx.x); }
    unsigned long long found = 0;
    for (unsigned first = threadIdx.x * width; first < values; first += blockDim.x * width) {
        blink::cuda::unit<T> b;
        for (int i = 0; i < width; ++i) { b.v[i] = of_bits<T>(first + static_cast<unsigned>(i)); }
        const auto sum = blink::cuda::sum_of_pair<T>(a, b);
        const auto turned = blink::cuda::sum_of_pair<T>(b, a);
        for (int i = 0; i < width; ++i) {
            const T wanted = static_cast<T>(static_cast<float>(a.v[i]) + static_cast<float>(b.v[i]));
            found += same_bits(sum.v[i], wanted) && same_bits(turned.v[i], wanted) ? 0 : 1;
        }
    }
    if (found > 0) { atomicAdd(different, found); }
}

template <class T>
unsigned long long differences() {
    unsigned long long* count = nullptr;
    blink::cuda::check(cudaMallocManaged(&count, sizeof *count), "cudaMallocManaged");
    *count = 0;
    count_differences<T><<<values, 256>>>(count);
    blink::cuda::check(cudaGetLastError(), "count_differences");
    blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    const unsigned long long found = *count;
    blink::cuda::check(cudaFree(count), "cudaFree");
    return found;
}

} // namespace

TEST_CASE("the sum of any two halves or bfloat16s is what adding in float and rounding once gives" *
          doctest::skip(!gpu_test::one_gpu())) {
    CHECK(differences<__half>() == 0);
    CHECK(differences<__nv_bfloat16>() == 0);
}
