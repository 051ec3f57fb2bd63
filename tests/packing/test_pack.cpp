// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

void check_fragments(const topology& box, const std::vector<boxes::fragment>& fragments, double lane) {
    for (const boxes::fragment& x : fragments) {
        CAPTURE(boxes::label(box.name(), x.gpus));
        const fabric f = boxes::fabric_of(box, x.gpus);
        for (const collective kind : {collective::broadcast, collective::reduce}) {
            for (int root = 0; root < f.ranks; ++root) {
                CAPTURE(root);
                const packing p = pack(f, kind, root);
                CHECK(p.GBps == doctest::Approx(x.broadcast * lane).epsilon(1e-12));
                for (const packed_tree& t : p.trees) {
                    CHECK(t.GBps / lane == doctest::Approx(std::round(t.GBps / lane)).epsilon(1e-12));
                }
            }
        }
        const packing p = pack(f, collective::allreduce, 0);
        CHECK(p.bound.GBps == doctest::Approx(lane * x.allreduce / x.of).epsilon(1e-9));
        CHECK(p.GBps >= 0.95 * lane * x.allreduce / x.of * (1 - 1e-9));
        for (const packed_tree& t : p.trees) { CHECK(depth(t, f.ranks) <= f.ranks / 2); }
    }
}

topology ring(int gpus, bool both_ways) {
    topology box("ring", gpus);
    for (int v = 0; v < gpus; ++v) {
        box.add_link({v, (v + 1) % gpus, 25, 1});
        if (both_ways) { box.add_link({(v + 1) % gpus, v, 25, 1}); }
    }
    return box;
}

} // namespace

TEST_CASE("every fragment of a DGX-1V broadcasts and reduces at the bound in whole lanes, and allreduces near it") {
    check_fragments(boxes::dgx1v(), boxes::dgx1v_fragments, boxes::dgx1v_lane);
}

TEST_CASE("every fragment of a DGX-1P broadcasts and reduces at the bound in whole lanes, and allreduces near it") {
    check_fragments(boxes::dgx1p(), boxes::dgx1p_fragments, boxes::dgx1p_lane);
}

TEST_CASE("a DGX-1V broadcasts over six trees of one lane each, where the weights alone left many more") {
    const fabric f = make_fabric(boxes::dgx1v());
    for (int root = 0; root < 8; ++root) {
        const packing p = pack(f, collective::broadcast, root);
        REQUIRE(p.trees.size() == 6);
        for (const packed_tree& t : p.trees) { CHECK(t.GBps == 25); }
        if (root == 0) {
            MESSAGE(p.weights.candidates << " candidates from the weights, " << p.trees.size() << " trees chosen");
            CHECK(p.weights.candidates > 6);
        }
    }
}

TEST_CASE("the same input gives the same packing") {
    for (const topology& box : {boxes::dgx1v(), boxes::pcie_tree(3), boxes::random_direct(6, 3, true)}) {
        const fabric f = make_fabric(box);
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            CHECK(pack(f, kind, 1) == pack(f, kind, 1));
        }
    }
}

TEST_CASE("behind a non-blocking switch and in a complete graph the trees are one-hop") {
    for (const int n : {2, 3, 4, 16}) {
        const fabric f = make_fabric(boxes::star(n, 6));
        const packing all = pack(f, collective::allreduce, 0);
        REQUIRE(static_cast<int>(all.trees.size()) == n);
        CHECK(all.GBps == doctest::Approx(150.0 * n / (2 * (n - 1))));
        for (int v = 0; v < n; ++v) {
            CHECK(all.trees[static_cast<std::size_t>(v)].root == v);
            CHECK(depth(all.trees[static_cast<std::size_t>(v)], n) == 1);
        }
        for (const collective kind : {collective::broadcast, collective::reduce}) {
            const packing p = pack(f, kind, 1);
            CHECK(static_cast<int>(p.trees.size()) == n - 1);
            CHECK(p.GBps == doctest::Approx(150));
            for (const packed_tree& t : p.trees) { CHECK(depth(t, n) <= 2); }
        }
    }
    const packing quad = pack(boxes::fabric_of(boxes::dgx1p(), {4, 5, 6, 7}), collective::allreduce, 0);
    CHECK(quad.trees.size() == 4);
    CHECK(quad.GBps == doctest::Approx(40));
}

TEST_CASE("two ranks share an allreduce evenly, whatever joins them") {
    fabric f{2, 2, {{0, 1, 50, 2}, {1, 0, 50, 2}, {0, 1, 12, 1}, {1, 0, 12, 1}}, {{0, 1, {0}}, {1, 0, {1}}}};
    const packing one = pack(boxes::fabric_of(boxes::dgx1v(), {0, 3}), collective::allreduce, 0);
    REQUIRE(one.trees.size() == 2);
    CHECK(one.trees[0].root != one.trees[1].root);
    CHECK(one.trees[0].GBps == doctest::Approx(25));
    f.arcs.push_back({0, 1, {2}});
    f.arcs.push_back({1, 0, {3}});
    const packing both = pack(f, collective::allreduce, 0, {.slack = 0});
    CHECK(both.GBps == doctest::Approx(62));
    double first = 0;
    for (const packed_tree& t : both.trees) { first += t.root == 0 ? t.GBps : 0; }
    CHECK(first == doctest::Approx(31));
    CHECK(pack(f, collective::broadcast, 1, {.slack = 0}).GBps == doctest::Approx(62));
}

TEST_CASE("trees through shared switches keep the wires' capacities and reach the bound") {
    for (const int switches : {2, 3, 4}) {
        const fabric f = make_fabric(boxes::pcie_tree(switches));
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const packing p = pack(f, kind, 0);
            CAPTURE(switches);
            CAPTURE(to_string(kind));
            CAPTURE(p.bound.GBps);
            CHECK(p.GBps >= 0.95 * p.bound.GBps * (1 - 1e-9));
        }
    }
}

TEST_CASE("one-way wires carry a broadcast but no allreduce") {
    const fabric f = make_fabric(ring(5, false));
    const packing p = pack(f, collective::broadcast, 2);
    CHECK(p.GBps == doctest::Approx(25));
    CHECK(depth(p.trees.front(), 5) == 4);
    CHECK(pack(f, collective::reduce, 2).GBps == doctest::Approx(25));
    CHECK_THROWS_WITH_AS(pack(f, collective::allreduce, 0),
                         "allreduce: no tree of hops that lead both ways spans the 5 ranks", plan_error);
    CHECK(pack(make_fabric(ring(5, true)), collective::allreduce, 0).GBps >= 0.95 * 25 * 1.25);
}

TEST_CASE("measured capacities that share no unit still reach the threshold") {
    topology box("measured", 4);
    box.connect({0, 1, 23.7, 1});
    box.connect({1, 2, 22.9, 1});
    box.connect({2, 3, 24.1, 1});
    box.connect({0, 3, 46.3, 2});
    box.connect({0, 2, 11.4, 1});
    const fabric f = make_fabric(box);
    for (const double slack : {0.05, 0.0}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const packing p = pack(f, kind, 0, {.slack = slack});
            CHECK(p.GBps >= (1 - slack) * p.bound.GBps * (1 - 1e-7));
        }
    }
}

TEST_CASE("a limit on the trees is kept, and costs no more rate than it must") {
    const fabric f = make_fabric(boxes::dgx1v());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        double last = 0;
        for (const int most : {1, 2, 3, 4}) {
            const packing p = pack(f, kind, 0, {.max_trees = most});
            CHECK(static_cast<int>(p.trees.size()) <= most);
            CHECK(p.GBps >= last * (1 - 1e-9));
            last = p.GBps;
        }
        CHECK(last >= 0.8 * pack(f, kind, 0).bound.GBps);
    }
    CHECK(pack(make_fabric(boxes::star(8, 6)), collective::allreduce, 0, {.max_trees = 1}).trees.size() == 1);
}

TEST_CASE("one rank needs nothing, and wrong requests are refused by name") {
    const packing alone = pack(boxes::fabric_of(boxes::dgx1v(), {5}), collective::allreduce, 0);
    CHECK(alone.trees.empty());
    CHECK(alone.GBps == 0);
    CHECK(alone.bound.GBps == 0);
    const fabric f = make_fabric(boxes::dgx1p());
    CHECK_THROWS_AS(pack(f, collective::broadcast, 8), usage_error);
    CHECK_THROWS_AS(pack(f, collective::broadcast, -1), usage_error);
    CHECK_THROWS_AS(pack(f, collective::allreduce, 0, {.slack = 1}), usage_error);
    CHECK_THROWS_AS(pack(f, collective::allreduce, 0, {.epsilon = 0}), usage_error);
    CHECK_THROWS_AS(pack(f, collective::allreduce, 0, {.max_trees = -1}), usage_error);
}
