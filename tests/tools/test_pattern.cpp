// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/operators.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "host_backend.hpp"
#include "measure.hpp"
#include "pattern.hpp"
#include "small_floats.hpp"

namespace {

using blink_perf::pattern;
using blink_perf::reduction;

constexpr std::size_t count = 500;

template <class T, class Op>
T combined(const pattern& p, std::size_t i, bool backwards, Op op) {
    // Rounded at each step, where Blink may round less often.
    using wide = blink::accumulator_of<Op, T>;
    const auto at = [&](int r) {
        const int rank = backwards ? p.ranks - 1 - r : r;
        const auto own = static_cast<wide>(blink_perf::input_value<T>(p, rank, i));
        return static_cast<wide>(static_cast<T>(blink::prepare(op, own, rank)));
    };
    wide total = at(0);
    for (int r = 1; r < p.ranks; ++r) { total = static_cast<wide>(static_cast<T>(op(total, at(r)))); }
    return static_cast<T>(blink::finish(op, total, p.ranks));
}

/// Both ends of the order give the very bits that the reference asks for, and never the poison.
template <class T, class Op>
bool order_does_not_matter(reduction op, Op with) {
    for (const int ranks : {1, 2, 3, 8, 16}) {
        const pattern p{7, blink::collective::allreduce, op, ranks, 0};
        for (std::size_t i = 0; i < count; ++i) {
            const T expected = blink_perf::expected_value<T>(p, 0, i);
            if (blink_perf::differs(combined<T>(p, i, false, with), expected) ||
                blink_perf::differs(combined<T>(p, i, true, with), expected)) {
                return false;
            }
            if (!blink_perf::differs(expected, blink_perf::poison_value<T>())) { return false; }
        }
    }
    return true;
}

} // namespace

TEST_CASE_TEMPLATE("inputs combine to the same exact result in every order", T, std::int8_t, std::uint8_t, std::int32_t,
                   std::uint32_t, std::int64_t, std::uint64_t, float, double, made::float16, made::bfloat16,
                   made::fp8_e4m3, made::fp8_e5m2) {
    CHECK(order_does_not_matter<T>(reduction::sum, blink::sum{}));
    CHECK(order_does_not_matter<T>(reduction::prod, blink::prod{}));
    CHECK(order_does_not_matter<T>(reduction::min, blink::min{}));
    CHECK(order_does_not_matter<T>(reduction::max, blink::max{}));
    CHECK(order_does_not_matter<T>(reduction::avg, blink::avg{}));
    CHECK(order_does_not_matter<T>(reduction::mulsum, blink::premul_sum<blink_perf::mulsum_number<T>>{2}));
}

TEST_CASE("fp8 has the names of nccl-tests too") {
    CHECK(blink_perf::type_from("f8e4m3") == blink_perf::element_type::fp8_e4m3);
    CHECK(blink_perf::type_from("fp8_e4m3") == blink_perf::element_type::fp8_e4m3);
    CHECK(blink_perf::type_from("f8e5m2") == blink_perf::element_type::fp8_e5m2);
    CHECK(to_string(blink_perf::reduction_from("mulsum")) == "mulsum");
}

TEST_CASE("inputs differ from rank to rank, from element to element and from seed to seed") {
    const pattern p{1, blink::collective::allreduce, reduction::sum, 4, 0};
    pattern other = p;
    other.seed = 2;
    int same_rank = 0, same_element = 0, same_seed = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = blink_perf::input_value<double>(p, 0, i);
        same_rank += value == blink_perf::input_value<double>(p, 1, i) ? 1 : 0;
        same_element += value == blink_perf::input_value<double>(p, 0, i + 1) ? 1 : 0;
        same_seed += value == blink_perf::input_value<double>(other, 0, i) ? 1 : 0;
    }
    CHECK(same_rank < 5);
    CHECK(same_element < 5);
    CHECK(same_seed < 5);
}

TEST_CASE("every corrupted element is counted, and every one that nobody wrote") {
    blink_perf::host_backend b({.ranks = 3});
    const pattern p{5, blink::collective::allreduce, reduction::sum, 3, 0};
    std::vector<std::vector<float>> results(3, std::vector<float>(count));
    std::vector<float*> out;
    for (auto& r : results) {
        for (std::size_t i = 0; i < count; ++i) { r[i] = blink_perf::expected_value<float>(p, 0, i); }
        out.push_back(r.data());
    }
    CHECK(b.count_wrong(p, out, count) == 0);
    results[1][17] += 0.125F;
    CHECK(b.count_wrong(p, out, count) == 1);
    results[2][count - 1] = -results[2][count - 1] + 1;
    results[2][0] = blink_perf::poison_value<float>();
    CHECK(b.count_wrong(p, out, count) == 3);
    std::ranges::fill(results[0], blink_perf::poison_value<float>());
    CHECK(b.count_wrong(p, out, count) == 3 + count);
}

TEST_CASE("a broadcast is checked against the root, a reduce on the root alone") {
    blink_perf::host_backend b({.ranks = 3});
    pattern p{5, blink::collective::broadcast, reduction::sum, 3, 2};
    std::vector<std::vector<int>> results(3, std::vector<int>(count));
    std::vector<int*> out;
    for (auto& r : results) {
        for (std::size_t i = 0; i < count; ++i) { r[i] = blink_perf::input_value<int>(p, 2, i); }
        out.push_back(r.data());
    }
    CHECK(b.count_wrong(p, out, count) == 0);
    p.kind = blink::collective::reduce;
    CHECK(b.count_wrong(p, out, count) > count / 2);
    for (std::size_t i = 0; i < count; ++i) { results[2][i] = blink_perf::expected_value<int>(p, 0, i); }
    CHECK(b.count_wrong(p, out, count) == 0);
}

TEST_CASE("an overwritten guard is told by its bits") {
    CHECK_FALSE(blink_perf::broken_guard<double>{}(blink_perf::poison_value<double>()));
    CHECK(blink_perf::broken_guard<double>{}(0.0));
    CHECK_FALSE(blink_perf::broken_guard<int>{}(blink_perf::poison_value<int>()));
    CHECK(blink_perf::broken_guard<int>{}(-1));
}
