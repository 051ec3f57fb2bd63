// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Every collective and protocol, in and out of place, aligned and not, for one type and one operator.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

#include "groups.cuh"
#include "trial.cuh"

namespace gpu_test {

/// The protocols that carry such a call.
template <class T, class Op>
[[nodiscard]] std::vector<blink::protocol> protocols_of(blink::collective kind) {
    std::vector<blink::protocol> list{blink::protocol::chunks};
    if (blink::cuda::travels_in_cells<T>) {
        list.push_back(blink::protocol::cells);
        if (kind == blink::collective::allreduce) { list.push_back(blink::protocol::all_pairs); }
    }
    if (kind == blink::collective::allreduce && !blink::preparing_operator<Op, T>) {
        list.push_back(blink::protocol::pull);
    }
    return list;
}

template <class T, class Op, class Reference = Op>
void sweep(blink::cuda_group& group, const Op& op = {}, const Reference& reference = {}) {
    std::uint64_t seed = 7;
    for (const blink::collective kind :
         {blink::collective::allreduce, blink::collective::reduce, blink::collective::broadcast}) {
        for (const std::size_t count : {std::size_t{1}, std::size_t{1021}, std::size_t{100003}}) {
            for (const bool in_place : {false, true}) {
                for (const std::size_t offset : {0, 1}) {
                    ++seed;
                    trial_shape shape{
                        count, in_place ? 0 : offset, offset, in_place, static_cast<int>(seed) % group.size(), seed};
                    trial<T, Op, Reference> t(group, kind, shape, op, reference);
                    for (const blink::protocol how : protocols_of<T, Op>(kind)) {
                        t.reset();
                        t.launch({.how = how});
                        const verdict v = t.judged();
                        CAPTURE(to_string(kind));
                        CAPTURE(to_string(how));
                        CAPTURE(count);
                        CAPTURE(in_place);
                        CAPTURE(offset);
                        CHECK(v.wrong == 0);
                        CHECK(v.outside == 0);
                        CHECK(v.differing_ranks == 0);
                    }
                }
            }
        }
    }
}

template <class T>
void sweep_operators(blink::cuda_group& group) {
    sweep<T, blink::sum>(group);
    sweep<T, blink::prod>(group);
    sweep<T, blink::min>(group);
    sweep<T, blink::max>(group);
    sweep<T, blink::avg>(group);
}

} // namespace gpu_test

/// The test cases of one type: eight virtual ranks, and the real GPUs.
#define BLINK_SWEEP_TYPE(name, ...)                                                                                    \
    TEST_CASE("every collective and operator is right for " name " on 8 virtual ranks" *                               \
              doctest::skip(!gpu_test::one_gpu())) {                                                                   \
        gpu_test::sweep_operators<__VA_ARGS__>(gpu_test::virtual_dgx1v());                                             \
    }                                                                                                                  \
    TEST_CASE("every collective and operator is right for " name " on the real GPUs" *                                 \
              doctest::skip(!gpu_test::two_gpus())) {                                                                  \
        gpu_test::sweep_operators<__VA_ARGS__>(gpu_test::real_gpus());                                                 \
    }
