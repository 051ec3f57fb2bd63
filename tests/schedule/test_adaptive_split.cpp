// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/adaptive_split.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>

using blink::adaptive_split;
using blink::hybrid_rates;

namespace {

constexpr std::size_t bytes = 100'000'000;

/// Two sets of links whose real rates nobody told the planner; a call over both costs the faster set a little.
struct machine {
    hybrid_rates real;
    double disturbance = 0; ///< by which the faster set is slower while the other runs

    [[nodiscard]] std::pair<double, double> ends(double share) const {
        const double data = static_cast<double>(bytes);
        const double fast = (1 - share) * data / (real.fast_GBps * 1e9) * (share > 0 ? 1 + disturbance : 1);
        return {fast, share > 0 ? real.extra_s + share * data / (real.slow_GBps * 1e9) : 0};
    }
    [[nodiscard]] double call_s(double share) const {
        const auto [fast, slow] = ends(share);
        return std::max(fast, slow);
    }
    [[nodiscard]] double best_s() const {
        double best = call_s(0);
        for (int s = 1; s < 2000; ++s) { best = std::min(best, call_s(s / 2000.0)); }
        return best;
    }
};

/// Runs until it settles; gives the number of calls.
int settle(adaptive_split& split, const machine& m, double noise = 0, unsigned seed = 1) {
    std::mt19937 dice(seed);
    std::uniform_real_distribution<double> wobble(1 - noise, 1 + noise);
    int calls = 0;
    for (; calls < 1000 && !split.settled(); ++calls) {
        const auto [fast, slow] = m.ends(split.share());
        split.observe(fast * wobble(dice), slow * wobble(dice));
    }
    REQUIRE(split.settled());
    return calls;
}

} // namespace

TEST_CASE("what was planned is what is found: two shares, without and with, are enough") {
    const machine m{{75, 10, 1e-5}};
    adaptive_split split(bytes, m.real);
    CHECK(split.share() == 0);
    CHECK(settle(split, m) == 6);
    CHECK(split.share() == blink::hybrid_share(bytes, m.real));
    const double share = split.share();
    split.observe(1, 2);
    CHECK(split.share() == share);
}

TEST_CASE("the share converges where the rates are others than planned") {
    std::mt19937 dice(11);
    std::uniform_real_distribution<double> off(0.4, 2.5);
    for (unsigned i = 0; i < 200; ++i) {
        const machine m{{75 * off(dice), 10 * off(dice), 1e-5 * off(dice)}};
        adaptive_split split(bytes, {75, 10, 1e-5});
        settle(split, m);
        CAPTURE(m.real.fast_GBps);
        CAPTURE(m.real.slow_GBps);
        CHECK(m.call_s(split.share()) <= m.best_s() * 1.025);
    }
}

TEST_CASE("with noise it ends near the best share and not above the time without the slower set") {
    for (unsigned seed = 1; seed <= 50; ++seed) {
        const machine m{{60, 14, 5e-5}};
        adaptive_split split(bytes, {75, 10, 1e-5}, {.samples = 5});
        settle(split, m, 0.03, seed);
        CHECK(m.call_s(split.share()) <= m.best_s() * 1.06);
        CHECK(m.call_s(split.share()) < m.call_s(0));
    }
}

TEST_CASE("it turns itself off where the slower set does not pay") {
    SUBCASE("by the plan") {
        adaptive_split split(bytes, {75, 10, 1});
        CHECK(split.settled());
        CHECK(split.share() == 0);
    }
    SUBCASE("because both disturb each other") {
        const machine m{{75, 10, 1e-5}, 0.3};
        adaptive_split split(bytes, m.real);
        settle(split, m);
        CHECK(split.share() == 0);
    }
    SUBCASE("because it is a hundred times slower than planned") {
        const machine m{{75, 0.1, 1e-5}};
        adaptive_split split(bytes, {75, 10, 1e-5});
        settle(split, m);
        CHECK(m.call_s(split.share()) <= m.call_s(0));
    }
    SUBCASE("because it begins far later than planned") {
        const machine m{{75, 10, 1}};
        adaptive_split split(bytes, {75, 10, 1e-5});
        settle(split, m);
        CHECK(split.share() == 0);
    }
}

TEST_CASE("rates that are not known are learnt from the call without the slower set") {
    std::mt19937 dice(3);
    std::uniform_real_distribution<double> off(0.5, 2);
    for (int i = 0; i < 100; ++i) {
        const machine m{{75 * off(dice), 10 * off(dice), 1e-5}};
        adaptive_split split = adaptive_split::from_share(10.0 / 85);
        CHECK(split.missing() == 3);
        const int calls = settle(split, m);
        CHECK(calls <= 3 * (1 + 16));
        CHECK(m.call_s(split.share()) <= m.best_s() * 1.025);
        CHECK(split.missing() == 0);
    }
}

TEST_CASE("no share above the largest one is tried") {
    const machine m{{75, 30, 0}};
    adaptive_split split = adaptive_split::from_share(0.1, {.most = 0.15});
    for (int calls = 0; calls < 100 && !split.settled(); ++calls) {
        const auto [fast, slow] = m.ends(split.share());
        split.observe(fast, slow);
        CHECK(split.share() <= 0.15);
    }
    CHECK(split.settled());
    CHECK(split.share() == 0.15);
}

TEST_CASE("a gain below the least one is none") {
    const machine m{{75, 1, 0}}; // 1.3 % shorter with both
    for (const double least : {0.01, 0.02}) {
        adaptive_split split = adaptive_split::from_share(1.0 / 76, {.tolerance = 0.001, .least_gain = least});
        settle(split, m);
        CHECK((split.share() > 0) == (least < 0.012));
    }
}

TEST_CASE("times and options that cannot be") {
    adaptive_split split(bytes, {75, 10, 0}, {.samples = 1});
    split.observe(-1, 0);
    split.observe(0, 0);
    split.observe(1, -1);
    CHECK(split.share() == 0);
    split.observe(1, 0);
    CHECK(split.share() > 0);
    CHECK_THROWS_AS(adaptive_split(bytes, {0, 10, 0}), blink::usage_error);
    CHECK_THROWS_AS(adaptive_split(bytes, {75, 10, 0}, {.samples = 0}), blink::usage_error);
    CHECK_THROWS_AS(adaptive_split(bytes, {75, 10, 0}, {.steps = 0}), blink::usage_error);
    CHECK_THROWS_AS(adaptive_split(bytes, {75, 10, 0}, {.tolerance = 1}), blink::usage_error);
    CHECK_THROWS_AS(adaptive_split(bytes, {75, 10, 0}, {.least_gain = 1}), blink::usage_error);
    CHECK_THROWS_AS((void)adaptive_split::from_share(1.1), blink::usage_error);
    CHECK(adaptive_split::from_share(0).settled());
}
