// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/host/combine.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "small_floats.hpp"

using blink::host::combine;
using blink::host::operand;

namespace {

/// Not associative, so that the order shows.
constexpr auto then = [](long a, long b) { return 3 * a + b; };

} // namespace

TEST_CASE("operands are combined from the left, whole blocks and rest alike") {
    for (const std::size_t count : {0, 1, 7, 8, 9, 100}) {
        std::vector<long> a(count, 1), b(count, 2), c(count, 5), to(count + 1, -1);
        combine<false>(to.data(), std::vector<operand<long>>{{a.data()}, {b.data()}, {c.data()}}, count, then, 3);
        for (std::size_t i = 0; i < count; ++i) { CHECK(to[i] == (1 * 3 + 2) * 3 + 5); }
        CHECK(to[count] == -1);
    }
}

TEST_CASE("the result may take the place of any operand") {
    for (std::size_t place = 0; place < 4; ++place) {
        std::vector<std::vector<long>> x;
        std::vector<operand<long>> operands;
        for (long k = 0; k < 4; ++k) { x.emplace_back(100, k + 1); }
        for (const auto& v : x) { operands.push_back({v.data()}); }
        combine<false>(x[place].data(), operands, 100, then, 4);
        for (const long value : x[place]) { CHECK(value == ((1 * 3 + 2) * 3 + 3) * 3 + 4); }
    }
}

TEST_CASE("finish is applied once, where it is asked for, and for a single operand too") {
    std::vector<int> a(33, 10), b(33, 11), to(33);
    combine<true>(to.data(), std::vector<operand<int>>{{a.data()}, {b.data()}}, 33, blink::avg{}, 2);
    CHECK(to == std::vector<int>(33, 10));
    combine<false>(to.data(), std::vector<operand<int>>{{a.data()}, {b.data()}}, 33, blink::avg{}, 2);
    CHECK(to == std::vector<int>(33, 21));
    combine<true>(to.data(), std::vector<operand<int>>{{a.data()}}, 33, blink::avg{}, 5);
    CHECK(to == std::vector<int>(33, 2));
    combine<true>(to.data(), std::vector<operand<int>>{{b.data()}}, 33, blink::sum{}, 5);
    CHECK(to == b);
}

// What does not fit is no operator, rather than an error deep inside.
static_assert(blink::reduction_operator<blink::sum, float>);
static_assert(!blink::reduction_operator<blink::sum, std::string*>);
struct opaque {};
static_assert(!blink::reduction_operator<blink::sum, opaque> && !blink::reduction_operator<blink::max, opaque>);
static_assert(blink::finishing_operator<blink::avg, float> && !blink::finishing_operator<blink::sum, float>);

TEST_CASE("an average over more ranks than a small integer can count keeps its sign") {
    CHECK(blink::avg{}.finish(static_cast<signed char>(-100), 200) == 0);
    CHECK(blink::avg{}.finish(static_cast<signed char>(-100), 50) == -2);
    CHECK(blink::avg{}.finish(static_cast<unsigned char>(200), 100) == 2);
    CHECK(blink::avg{}.finish(-7L, 2) == -3);
    CHECK(blink::avg{}.finish(~0ULL, 2) == ~0ULL / 2);
}

TEST_CASE("inputs are prepared, those of children rounded as on their way; partial results are not prepared") {
    // 0.3 times 1 is no bfloat16, so it shows where a product is rounded.
    using T = made::bfloat16;
    const blink::premul_sum op{0.3F};
    for (const std::size_t count : {1, 31, 32, 65}) {
        std::vector<T> own(count, T(1.0F)), child(count, T(1.0F)), partial(count, T(1.0F)), to(count);
        combine<false>(to.data(), std::vector<operand<T>>{{own.data(), 0}, {child.data(), 2}, {partial.data()}}, count,
                       op, 3);
        const T expected(0.3F + static_cast<float>(T(0.3F)) + 1.0F);
        CHECK(std::ranges::count(to, expected) == static_cast<std::ptrdiff_t>(count));
        combine<true>(to.data(), std::vector<operand<T>>{{own.data(), 0}}, count, op, 1);
        CHECK(std::ranges::count(to, T(0.3F)) == static_cast<std::ptrdiff_t>(count));
    }
}
