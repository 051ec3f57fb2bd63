// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/hybrid_split.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>

using blink::hybrid_rates;
using blink::hybrid_share;

namespace {

/// Seconds of a call; a set without data takes no time.
double call_s(double share, double bytes, const hybrid_rates& r) {
    const double fast = share < 1 ? (1 - share) * bytes / (r.fast_GBps * 1e9) : 0;
    const double slow = share > 0 ? r.extra_s + share * bytes / (r.slow_GBps * 1e9) : 0;
    return std::max(fast, slow);
}

} // namespace

TEST_CASE("the share is the paper's formula") {
    // D_PCIe = (D * B_PCIe - T * B_PCIe * B_NVL) / (B_PCIe + B_NVL)
    const double bytes = 500e6;
    const double slow_bytes = (bytes * 10e9 - 2e-3 * 10e9 * 75e9) / (10e9 + 75e9);
    CHECK(hybrid_share(500'000'000, {75, 10, 2e-3}) == doctest::Approx(slow_bytes / bytes).epsilon(1e-12));
}

TEST_CASE("nothing goes over the slower set up to the size at which it begins to pay") {
    const hybrid_rates r{50, 10, 1e-5}; // 500,000 bytes
    for (const std::size_t bytes : {0, 1, 4096, 499'999, 500'000}) { CHECK(hybrid_share(bytes, r) == 0); }
    CHECK(hybrid_share(500'100, r) > 0);
}

TEST_CASE("the share is as good as the best of all shares, and never worse than none") {
    std::mt19937 dice(3);
    std::uniform_real_distribution<double> rate(1, 200);
    std::uniform_real_distribution<double> exponent(10, 30);
    std::uniform_real_distribution<double> late(0, 1e-3);
    for (int i = 0; i < 300; ++i) {
        const auto bytes = static_cast<std::size_t>(std::exp2(exponent(dice)));
        const hybrid_rates r{rate(dice), rate(dice), i % 3 == 0 ? 0 : late(dice)};
        const double data = static_cast<double>(bytes);
        double best = std::numeric_limits<double>::infinity();
        for (int s = 0; s <= 10'000; ++s) { best = std::min(best, call_s(s / 10'000.0, data, r)); }
        const double share = hybrid_share(bytes, r);
        CHECK(call_s(share, data, r) <= best * (1 + 1e-9));
        CHECK(call_s(share, data, r) <= call_s(0, data, r));
    }
}

TEST_CASE("a slower set that begins sooner takes more, all of a small call") {
    CHECK(hybrid_share(1000, {50, 10, -1e-3}) == 1);
    CHECK(hybrid_share(1 << 30, {50, 10, -1e-3}) > hybrid_share(1 << 30, {50, 10, 0}));
}

TEST_CASE("rates and times that cannot be are refused") {
    constexpr double inf = std::numeric_limits<double>::infinity();
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (const hybrid_rates& r : {hybrid_rates{0, 1, 0},
                                  {1, 0, 0},
                                  {-1, 1, 0},
                                  {nan, 1, 0},
                                  {1, nan, 0},
                                  {inf, 1, 0},
                                  {1, 1, inf},
                                  {1, 1, nan}}) {
        CHECK_THROWS_AS((void)hybrid_share(1000, r), blink::usage_error);
    }
}
