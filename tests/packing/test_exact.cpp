// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/candidates.hpp>
#include <blink/packing/exact.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "machines.hpp"

using namespace blink;

TEST_CASE("exact arborescences fill the smallest cut of every graph, and no more") {
    for (unsigned seed = 0; seed < 80; ++seed) {
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 6), seed, true));
        const hop_graph g = make_hop_graph(f, seed % 2 == 0 ? collective::broadcast : collective::reduce,
                                           static_cast<int>(seed) % f.ranks);
        const Eigen::ArrayXd room = g.capacity / 10;
        const int units = static_cast<int>(std::lround(lookahead(g).limit(room)));
        const std::vector<hop_tree> trees = exact_arborescences(g, room, units);
        REQUIRE(static_cast<int>(trees.size()) == units);
        Eigen::ArrayXd left = room;
        for (const hop_tree& t : trees) {
            std::vector<int> entered(static_cast<std::size_t>(g.ranks), 0);
            for (const int h : t) { ++entered[static_cast<std::size_t>(g.hops[static_cast<std::size_t>(h)].child)]; }
            for (int v = 0; v < g.ranks; ++v) { CHECK(entered[static_cast<std::size_t>(v)] == (v == g.root ? 0 : 1)); }
            candidate_tree{t, g.load(t)}.take(left, 1);
        }
        CHECK(left.minCoeff() >= 0);
        CHECK(exact_arborescences(g, room, units + 1).empty());
    }
}
