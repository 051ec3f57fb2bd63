// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/arborescence.hpp>
#include <blink/packing/candidates.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

double cost_of(const hop_tree& tree, const std::vector<double>& cost) {
    double sum = 0;
    for (const int h : tree) { sum += cost[static_cast<std::size_t>(h)]; }
    return sum;
}

} // namespace

TEST_CASE("the cheapest tree is the cheapest of all trees, directed and undirected") {
    std::mt19937 dice(11);
    for (unsigned seed = 0; seed < 80; ++seed) {
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 3), seed, true));
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const hop_graph g = make_hop_graph(f, kind, static_cast<int>(seed) % f.ranks);
            const std::vector<hop_tree> all = every_tree(g);
            CHECK(static_cast<double>(all.size()) == doctest::Approx(count_trees(g)));
            cheapest_tree cheapest(g);
            for (int round = 0; round < 4; ++round) {
                std::vector<double> cost;
                for (std::size_t h = 0; h < g.hops.size(); ++h) { cost.push_back(static_cast<double>(dice() % 9)); }
                double least = std::numeric_limits<double>::infinity();
                for (const hop_tree& t : all) { least = std::min(least, cost_of(t, cost)); }
                const hop_tree found = cheapest.find(cost);
                CHECK(cost_of(found, cost) == doctest::Approx(least));
                CHECK(std::find(all.begin(), all.end(), found) != all.end());
            }
        }
    }
}

TEST_CASE("no tree is found where forbidden hops part the ranks") {
    const fabric f = make_fabric(boxes::dgx1v());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const hop_graph g = make_hop_graph(f, kind, 0);
        std::vector<double> cost;
        for (const tree_hop& h : g.hops) {
            const bool bridge = (h.parent < 4) != (h.child < 4);
            cost.push_back(bridge ? std::numeric_limits<double>::infinity() : 1);
        }
        CHECK(cheapest_tree(g).find(cost).empty());
    }
}
