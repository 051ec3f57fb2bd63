// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/rails.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "machines.hpp"

using namespace blink;

TEST_CASE("boxes are the ranks at one switch, where they are equal") {
    CHECK(equal_boxes(make_fabric(machine_named("dgx_a100x2"))) ==
          rank_boxes{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15}});
    CHECK(equal_boxes(make_fabric(boxes::pcie_tree(3))) == rank_boxes{{0, 1}, {2, 3}, {4, 5}});
    CHECK(equal_boxes(make_fabric(boxes::dgx1v())).empty());
    CHECK(equal_boxes(make_fabric(boxes::star(8, 6))).empty());
    const topology two = machine_named("dgx_a100x2");
    CHECK(equal_boxes(make_fabric(induced(two, std::vector{0, 1, 8, 9}))) == rank_boxes{{0, 1}, {2, 3}});
    CHECK(equal_boxes(make_fabric(induced(two, std::vector{0, 1, 2, 8, 9}))).empty());
}

TEST_CASE("in a pair of binary trees every member is reached in both and has children in one at most") {
    for (int count = 1; count < 40; ++count) {
        const std::vector<int> first = detail::in_order_parents(count);
        const std::vector<int> second = detail::opposite_parents(first);
        std::vector<int> children(static_cast<std::size_t>(count) + 1, 0);
        std::vector<int> in_first(children);
        std::vector<int> in_second(children);
        for (int v = 1; v <= count; ++v) {
            ++in_first[static_cast<std::size_t>(first[static_cast<std::size_t>(v)])];
            ++in_second[static_cast<std::size_t>(second[static_cast<std::size_t>(v)])];
            for (const auto* parent : {&first, &second}) {
                int steps = 0;
                for (int u = v; u != 0; u = (*parent)[static_cast<std::size_t>(u)]) { REQUIRE(++steps <= count); }
                CHECK(steps <= 7);
            }
        }
        CHECK(in_first[0] == 1);
        CHECK(in_second[0] == 1);
        for (std::size_t v = 1; v < children.size(); ++v) {
            CHECK(in_first[v] + in_second[v] <= 2);
            CHECK(std::min(in_first[v], in_second[v]) == 0);
        }
    }
}

TEST_CASE("sixteen boxes broadcast at the rate of their NICs over trees of a depth that grows with the logarithm") {
    const fabric f = make_fabric(machine_named("hgx_h100x16"));
    const rank_boxes boxes = equal_boxes(f);
    for (const int root : {0, 77, 127}) {
        for (const collective kind : {collective::broadcast, collective::reduce}) {
            const auto trees = rail_trees_from_root(make_hop_graph(f, kind, root), boxes, 400);
            CHECK(trees.size() == 8);
            CHECK(total_rate(trees) == doctest::Approx(400));
            for (const packed_tree& t : trees) {
                CHECK(t.root == root);
                CHECK(depth(t, f.ranks) <= 10);
            }
        }
    }
}

TEST_CASE("a forest on rails has one tree of two hops from every rank") {
    const fabric f = make_fabric(machine_named("dgx_a100x4"));
    const auto trees = rail_forest(make_hop_graph(f, collective::allreduce, 0), equal_boxes(f));
    REQUIRE(trees.size() == 32);
    CHECK(total_rate(trees) == doctest::Approx(400.0 / 3));
    for (int r = 0; r < 32; ++r) {
        CHECK(trees[static_cast<std::size_t>(r)].root == r);
        CHECK(depth(trees[static_cast<std::size_t>(r)], 32) == 2);
    }
    CHECK(rail_forest(make_hop_graph(f, collective::allreduce, 0), {}).empty());
}
