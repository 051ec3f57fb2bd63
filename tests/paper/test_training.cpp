// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

#include "networks.hpp"
#include "replay.hpp"

using blink_paper::bucket;

namespace {

std::size_t bytes_of(const std::vector<bucket>& buckets) {
    return std::accumulate(buckets.begin(), buckets.end(), std::size_t{0},
                           [](std::size_t sum, const bucket& b) { return sum + b.bytes; });
}

doctest::Approx exactly(double x) { return doctest::Approx(x).epsilon(1e-12); }

} // namespace

TEST_CASE("networks have as many parameters as torchvision's") {
    CHECK(parameters(blink_paper::resnet18()) == 11'689'512);
    CHECK(parameters(blink_paper::resnet50()) == 25'557'032);
    CHECK(parameters(blink_paper::alexnet()) == 61'100'840);
    CHECK(parameters(blink_paper::vgg16()) == 138'357'544);
}

TEST_CASE("networks have the published work for an image, in multiplications and additions") {
    // torchvision's documentation of its weights: GFLOPS there count a multiplication and addition as one
    CHECK(forward_flops(blink_paper::resnet18()) / 2e9 == doctest::Approx(1.81).epsilon(0.005));
    CHECK(forward_flops(blink_paper::resnet50()) / 2e9 == doctest::Approx(4.09).epsilon(0.005));
    CHECK(forward_flops(blink_paper::alexnet()) / 2e9 == doctest::Approx(0.71).epsilon(0.01));
    CHECK(forward_flops(blink_paper::vgg16()) / 2e9 == doctest::Approx(15.47).epsilon(0.005));
}

TEST_CASE("buckets hold every gradient once, reach their limits and are ready in the order of the backward pass") {
    for (const blink_paper::network& n :
         {blink_paper::resnet18(), blink_paper::resnet50(), blink_paper::alexnet(), blink_paper::vgg16()}) {
        CAPTURE(n.name);
        const auto buckets = blink_paper::make_buckets(n, 0.3);
        CHECK(bytes_of(buckets) == 4 * parameters(n));
        REQUIRE(buckets.size() > 2);
        CHECK(buckets[0].bytes >= std::size_t{1} << 20);
        for (std::size_t i = 1; i < buckets.size(); ++i) {
            if (i + 1 < buckets.size()) { CHECK(buckets[i].bytes >= std::size_t{25} << 20); }
            CHECK(buckets[i].ready_s > buckets[i - 1].ready_s);
        }
        CHECK(buckets.front().ready_s > 0.1); // the forward pass is a third
        CHECK(buckets.back().ready_s == exactly(0.3));
    }
}

TEST_CASE("the last layer of VGG16 is a bucket, and each large one after it") {
    const auto buckets = blink_paper::make_buckets(blink_paper::vgg16(), 1);
    CHECK(buckets[0].bytes == 4 * (1000 + 1000 * 4096));
    CHECK(buckets[1].bytes == 4 * (4096 + 4096 * 4096));
    CHECK(buckets[2].bytes == std::size_t{4} * (4096 + 4096 * 25088));
}

TEST_CASE("limits of buckets cut where they are reached") {
    const blink_paper::network n{"n", {{"a", {10, 1}, 1}, {"b", {20}, 2}, {"c", {5, 5}, 1}}};
    const auto buckets = blink_paper::make_buckets(n, 12, {.first_bytes = 20, .bytes = 84});
    // backward: 5 of c | 5 of c, 20 of b | 1 and 10 of a
    REQUIRE(buckets.size() == 3);
    CHECK(buckets[0].bytes == 20);
    CHECK(buckets[0].ready_s == exactly(4 + 8 * 0.25));
    CHECK(buckets[1].bytes == 100);
    CHECK(buckets[1].ready_s == exactly(4 + 8 * 0.75));
    CHECK(buckets[2].bytes == 44);
    CHECK(buckets[2].ready_s == exactly(12));
}

TEST_CASE("communication overlaps the backward pass and adds only what ends after it") {
    const std::vector<bucket> buckets{{10, 2}, {20, 4}, {30, 9}};
    const auto at = [&](double s) {
        return blink_paper::replay(buckets, 10, [s](std::size_t bytes) { return s * static_cast<double>(bytes); });
    };
    CHECK(at(0).iteration_s == exactly(10));
    CHECK(at(0.01).iteration_s == exactly(10));
    CHECK(at(0.1).iteration_s == exactly(12)); // 9 + 3
    CHECK(at(0.1).communication_s == exactly(6));
    CHECK(at(1).iteration_s == exactly(2 + 60)); // never idle after the first
    CHECK(blink_paper::replay({}, 7, [](std::size_t) { return 1.0; }).iteration_s == exactly(7));
}

TEST_CASE("an iteration lies between its bounds, and a faster AllReduce makes it no slower") {
    std::mt19937 dice(5);
    std::uniform_real_distribution<double> speed(1e-11, 1e-9);
    const auto buckets = blink_paper::make_buckets(blink_paper::resnet50(), 0.1);
    for (int i = 0; i < 100; ++i) {
        const double s = speed(dice);
        const auto with = [&](double factor) {
            return blink_paper::replay(buckets, 0.1,
                                       [=](std::size_t b) { return factor * s * static_cast<double>(b); });
        };
        const auto t = with(1);
        CHECK(t.iteration_s >= 0.1);
        CHECK(t.iteration_s >= t.communication_s);
        CHECK(t.iteration_s <= 0.1 + t.communication_s);
        CHECK(with(0.7).iteration_s <= t.iteration_s);
    }
}
