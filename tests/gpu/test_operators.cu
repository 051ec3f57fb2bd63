// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What operators may have beside `T op(T, T)`: an accumulator, a factor for each rank's own input.
#include <blink/communicator/host_group.hpp>

#include <cstring>
#include <utility>
#include <vector>

#include "type_sweep.cuh"

namespace {

using namespace gpu_test;
using blink::cuda::static_lane;
using blink::cuda::static_schedule;
using blink::cuda::static_tree;

/// Factors in the memory of each rank's own GPU.
class factors_on_gpus {
  public:
    explicit factors_on_gpus(blink::cuda_group& group) : memory_(group.make_buffers<float>(1)) {
        for (int r = 0; r < group.size(); ++r) { memory_.fill(r, sum_by_rank::factor(r)); }
    }
    [[nodiscard]] blink::premul_sum_from<float, 8> op() const {
        blink::premul_sum_from<float, 8> sum{};
        for (int r = 0; r < memory_.size(); ++r) { sum.factors[r] = memory_[r]; }
        return sum;
    }

  private:
    blink::rank_buffers<float> memory_;
};

void sweep_factors(blink::cuda_group& group) {
    const blink::premul_sum<float> third{1.0F / 3};
    sweep<float>(group, third, third);
    sweep<__half>(group, third, third);
    const blink::premul_sum<int> minus_two{-2};
    sweep<std::int32_t>(group, minus_two, minus_two);
    const blink::premul_sum<float> half{0.5F};
    sweep<__nv_fp8_e4m3>(group, half, half);
    sweep<__nv_bfloat16>(group, factors_on_gpus(group).op(), sum_by_rank{});
}

/// A call over one tree on GPUs and on the host: the same roundings, so the same bits.
template <class Tree, class T, class Op>
bool same_as_on_host(const Op& op) {
    using form = static_schedule<static_lane<Tree>>;
    constexpr std::size_t count = 20011;
    blink::cuda_group& gpus = virtual_dgx1v();
    blink::host_group host({.ranks = gpus.size(), .machine = blink::topology(blink::dgx1v)});
    auto there = gpus.make_buffers<T>(count);
    auto here = host.make_buffers<T>(count);
    std::vector<const T*> in, host_in;
    std::vector<T*> out, host_out;
    for (int r = 0; r < gpus.size(); ++r) {
        const auto make = [r](std::size_t i) {
            const auto bits = static_cast<std::int32_t>(mixed(3, r, i) % 40001) - 20000;
            return static_cast<T>(static_cast<float>(bits) / 7000.0F);
        };
        there.fill(r, make);
        here.fill(r, make);
        in.push_back(there[r]);
        out.push_back(there[r]);
        host_in.push_back(here[r]);
        host_out.push_back(here[r]);
    }
    const auto kind = blink::collective::allreduce;
    gpus.run_static<form, T>(kind, std::span<const T* const>(in), std::span<T* const>(out), count, op);
    gpus.synchronize();
    host.run_static<form, T>(kind, std::span<const T* const>(host_in), std::span<T* const>(host_out), count, op);
    bool same = true;
    for (int r = 0; r < gpus.size(); ++r) {
        same = same && std::memcmp(there.read(r).data(), here[r], count * sizeof(T)) == 0;
    }
    return same;
}

/// The result of an allreduce of 256, 1, 1, ... straight from each rank to each other; 0 where elements differ.
template <class Op>
float of_256_and_ones(const Op& op) {
    using T = __nv_bfloat16;
    blink::cuda_group& gpus = virtual_dgx1v();
    auto data = gpus.make_buffers<T>(1000);
    std::vector<const T*> in;
    std::vector<T*> out;
    for (int r = 0; r < gpus.size(); ++r) {
        data.fill(r, T(r == 0 ? 256.0F : 1.0F));
        in.push_back(data[r]);
        out.push_back(data[r]);
    }
    gpus.run<T>(blink::collective::allreduce, 0, std::span<const T* const>(in), std::span<T* const>(out), 1000, op,
                {.how = blink::protocol::all_pairs});
    gpus.synchronize();
    const auto first = static_cast<float>(data.read(0)[0]);
    for (int r = 0; r < gpus.size(); ++r) {
        for (const T& x : data.read(r)) {
            if (static_cast<float>(x) != first) { return 0; }
        }
    }
    return first;
}

} // namespace

TEST_CASE("every rank's input is multiplied once on 8 virtual ranks" * doctest::skip(!one_gpu())) {
    sweep_factors(virtual_dgx1v());
}

TEST_CASE("every rank's input is multiplied once on the real GPUs" * doctest::skip(!two_gpus())) {
    sweep_factors(real_gpus());
}

TEST_CASE("narrow numbers are rounded on GPUs where they are on the host" * doctest::skip(!one_gpu())) {
    using star = static_tree<-1, 0, 0, 0, 0, 0, 0, 0>;
    using chain = static_tree<-1, 0, 1, 2, 3, 4, 5, 6>;
    using bushy = static_tree<-1, 0, 0, 1, 1, 2, 2, 3>;
    CHECK(same_as_on_host<star, __half>(blink::sum{}));
    CHECK(same_as_on_host<chain, __nv_bfloat16>(blink::avg{}));
    CHECK(same_as_on_host<bushy, __nv_bfloat16>(blink::premul_sum{0.3F}));
    CHECK(same_as_on_host<bushy, __nv_fp8_e4m3>(blink::sum{}));
    CHECK(same_as_on_host<chain, __nv_fp8_e5m2>(blink::in_own_type{blink::premul_sum{0.3F}}));
}

TEST_CASE("eight ranks add in float and round once, or in their own type every time" * doctest::skip(!one_gpu())) {
    CHECK(of_256_and_ones(blink::sum{}) == 264.0F); // 263, a tie
    CHECK(of_256_and_ones(blink::in_own_type<blink::sum>{}) == 256.0F);
}
