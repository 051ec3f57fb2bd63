// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/lost_wires.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace blink;

namespace {

/// GB/s and wires of all links from `from` to `to`.
std::pair<double, int> between(const topology& g, int from, int to) {
    std::pair<double, int> sum{0, 0};
    for (const blink::link& l : g.links()) {
        if (l.from == from && l.to == to) { sum = {sum.first + l.GBps, sum.second + l.lanes}; }
    }
    return sum;
}

} // namespace

TEST_CASE("one wire of two, both, and all go in both directions, and the rest of the machine stays") {
    const topology whole(dgx1v);
    for (const auto& [count, GBps, lanes] : {std::tuple(1, 25.0, 1), std::tuple(2, 0.0, 0), std::tuple(0, 0.0, 0)}) {
        const topology less = without_wires(whole, 3, 0, count);
        CHECK(between(less, 0, 3) == std::pair(GBps, lanes));
        CHECK(between(less, 3, 0) == std::pair(GBps, lanes));
        CHECK(between(less, 0, 4) == between(whole, 0, 4));
        CHECK(less.links().size() == whole.links().size() - (lanes == 0 ? 2 : 0));
        CHECK(less.vertex_count() == whole.vertex_count());
        CHECK(less.kind_of(8) == whole.kind_of(8));
    }
}

TEST_CASE("wires of several bundles go one after the other") {
    topology box("box", 2);
    box.connect({0, 1, 50, 2});
    box.connect({0, 1, 10, 1, link_kind::pcie});
    CHECK(between(without_wires(box, 0, 1, 1), 0, 1) == std::pair(35.0, 2));
    CHECK(between(without_wires(box, 0, 1, 2), 1, 0) == std::pair(10.0, 1));
    CHECK(without_wires(box, 0, 1, 3).links().empty());
}

TEST_CASE("slowed wires carry a share of what they did") {
    CHECK(between(slowed_wires(topology(dgx1v), 0, 3, 0.5), 3, 0) == std::pair(25.0, 2));
    CHECK_THROWS_WITH_AS((void)slowed_wires(topology(dgx1v), 0, 3, 0), doctest::Contains("expected more than 0"),
                         usage_error);
}

TEST_CASE("wires that are not there cannot be lost") {
    const topology whole(dgx1v);
    CHECK_THROWS_WITH_AS((void)without_wires(whole, 1, 4), "dgx1v: wires between 1 and 4 are none", usage_error);
    CHECK_THROWS_WITH_AS((void)without_wires(whole, 0, 3, 3), "dgx1v: wires between 0 and 3 are fewer than 3",
                         usage_error);
    CHECK_THROWS_AS((void)without_wires(whole, 0, 3, -1), usage_error);
    topology one_way("box", 2);
    one_way.add_link({0, 1, 50, 2});
    CHECK_THROWS_AS((void)without_wires(one_way, 0, 1, 1), usage_error);
}
