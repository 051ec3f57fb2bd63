// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/miad.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <vector>

using namespace blink::literals;

namespace {

constexpr std::size_t message = 1_GiB;
using curve = std::function<double(double chunk_MiB)>;

/// Pipeline of `depth` hops: too small a chunk pays `cost_MiB` each, too large a one fills late.
curve pipeline(double cost_MiB, double lane_MiB, double depth) {
    return [=](double c) { return 20.0 * lane_MiB / ((lane_MiB / c + depth) * (c + cost_MiB)); };
}

/// Feeds the policy until it settles; gives the sizes it tried, the last being the one that it rests on.
std::vector<std::size_t> run(blink::miad_chunk& policy, const curve& throughput, double noise = 0, unsigned seed = 1) {
    std::mt19937 dice(seed);
    std::uniform_real_distribution<double> wobble(1 - noise, 1 + noise);
    std::vector<std::size_t> tried;
    for (int i = 0; i < 1000 && !policy.settled(); ++i) {
        const std::size_t chunk = policy.chunk_bytes(message);
        if (tried.empty() || tried.back() != chunk) { tried.push_back(chunk); }
        const double GBps = throughput(static_cast<double>(chunk) / static_cast<double>(1_MiB)) * wobble(dice);
        policy.observe(message, static_cast<double>(message) * 1e-9 / GBps);
    }
    REQUIRE(policy.settled());
    tried.push_back(policy.chunk_bytes(message));
    return tried;
}

} // namespace

TEST_CASE("MIAD doubles from 1 MiB while throughput grows, then takes steps down and settles on the best") {
    blink::miad_chunk policy{{.samples = 1}};
    const auto peak_at_12 = [](double c) { return c < 12 ? 10 + c : 22 - 2 * (c - 12); };
    const auto tried = run(policy, peak_at_12);
    CHECK(tried == std::vector<std::size_t>{1_MiB, 2_MiB, 4_MiB, 8_MiB, 16_MiB, 14_MiB, 12_MiB, 10_MiB, 12_MiB});
}

TEST_CASE("MIAD rests: what it observes after settling changes nothing") {
    blink::miad_chunk policy{{.samples = 1}};
    run(policy, pipeline(0.1, 200, 4));
    const std::size_t chunk = policy.chunk_bytes(message);
    for (int i = 0; i < 10; ++i) { policy.observe(message, 1.0 + i); }
    CHECK(policy.settled());
    CHECK(policy.chunk_bytes(message) == chunk);
}

TEST_CASE("MIAD finds sizes below its start") {
    blink::miad_chunk policy{{.samples = 1}};
    const auto tried = run(policy, [](double c) { return c < 0.25 ? 5 * c : 3 - c; });
    CHECK(tried.back() <= 256_KiB);
    CHECK(tried.back() >= 128_KiB);
}

TEST_CASE("MIAD stays within its limits") {
    blink::miad_chunk up{{.largest = 4_MiB, .samples = 1}};
    CHECK(run(up, [](double c) { return c; }).back() == 4_MiB);
    blink::miad_chunk down{{.smallest = 512_KiB, .samples = 1}};
    CHECK(run(down, [](double c) { return 1 / c; }).back() == 512_KiB);
}

TEST_CASE("MIAD ends within 5 % of the best throughput of a pipeline, with 3 % noise and outliers") {
    for (const double lane_MiB : {4.0, 32.0, 200.0, 1000.0}) {
        for (unsigned seed = 1; seed <= 10; ++seed) {
            const curve clean = pipeline(0.1, lane_MiB, 4);
            double best = 0;
            for (double c = 1.0 / 64; c <= 64; c *= 1.01) { best = std::max(best, clean(c)); }
            blink::miad_chunk policy{{.samples = 5}};
            int call = 0;
            const curve noisy = [&](double c) { return clean(c) * (++call % 7 == 0 ? 0.5 : 1.0); };
            const auto tried = run(policy, noisy, 0.03, seed);
            CAPTURE(lane_MiB);
            CAPTURE(tried.back());
            CHECK(clean(static_cast<double>(tried.back()) / static_cast<double>(1_MiB)) > 0.95 * best);
        }
    }
}

TEST_CASE("MIAD is deterministic") {
    blink::miad_chunk one;
    blink::miad_chunk two;
    CHECK(run(one, pipeline(0.1, 100, 3), 0.05, 7) == run(two, pipeline(0.1, 100, 3), 0.05, 7));
}

TEST_CASE("MIAD compares only collectives of one size and starts anew for a larger one") {
    blink::miad_chunk policy{{.samples = 1}};
    policy.observe(100_MiB, 1e-2);
    CHECK(policy.chunk_bytes(message) == 2_MiB);
    policy.observe(1_MiB, 1e-9);
    CHECK(policy.chunk_bytes(message) == 2_MiB);
    CHECK(policy.best_GBps() == doctest::Approx(10.48576));
    policy.observe(200_MiB, 1e-1);
    CHECK(policy.best_GBps() == doctest::Approx(2.097152));
    CHECK(policy.current_stage() == blink::miad_chunk::stage::growing);
}

TEST_CASE("MIAD ignores times that cannot be and refuses options that cannot be meant") {
    blink::miad_chunk policy{{.samples = 1}};
    policy.observe(1_MiB, 0);
    policy.observe(1_MiB, -1);
    policy.observe(0, 1);
    CHECK(policy.best_GBps() == 0);
    CHECK(policy.chunk_bytes(message) == 1_MiB);
    CHECK(policy.chunk_bytes(100) == 100);
    CHECK(policy.chunk_bytes(0) == 1);
    CHECK_THROWS_AS(blink::miad_chunk({.start = 0}), blink::usage_error);
    CHECK_THROWS_AS(blink::miad_chunk({.smallest = 2_MiB}), blink::usage_error);
    CHECK_THROWS_AS(blink::miad_chunk({.samples = 0}), blink::usage_error);
    CHECK_THROWS_AS(blink::miad_chunk({.samples = 17}), blink::usage_error);
}
