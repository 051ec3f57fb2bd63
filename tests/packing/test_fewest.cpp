// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/candidates.hpp>
#include <blink/packing/fewest.hpp>
#include <blink/packing/flatten.hpp>
#include <blink/packing/grid.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/pack.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

/// True where `count` of the trees from number `next` on can carry `target` shares over `room`: by trying everything.
bool exists(const std::vector<candidate_tree>& trees, std::size_t next, int count, double target,
            Eigen::ArrayXd& room) {
    if (target <= 0) { return true; }
    if (count == 0) { return false; }
    for (std::size_t i = next; i < trees.size(); ++i) {
        const double most = std::floor(trees[i].fit(room) + 1e-9);
        for (double rate = 1; rate <= most; ++rate) {
            trees[i].take(room, rate);
            const bool found = exists(trees, i + 1, count - 1, target - rate, room);
            trees[i].take(room, -rate);
            if (found) { return true; }
        }
    }
    return false;
}

candidate_pool all_trees(const hop_graph& g) {
    candidate_pool pool(g);
    for (const hop_tree& t : every_tree(g)) { pool.add(t); }
    return pool;
}

/// Checks that `p` has the fewest trees that reach 95 % of the bound with multiples of 1/q lanes, for the least q that
/// can.
void check_fewest(const fabric& f, const packing& p) {
    const hop_graph g = make_hop_graph(f, p.kind, p.root);
    const candidate_pool pool = all_trees(g);
    const double unit = lane_unit(f, g);
    for (const int q : share_divisors(p.bound, !g.directed())) {
        Eigen::ArrayXd room = (g.capacity * q / unit + 1e-9).floor();
        const double target = std::ceil(0.95 * p.bound.GBps * q / unit - 1e-9);
        if (!exists(pool.trees(), 0, static_cast<int>(pool.trees().size()), target, room)) { continue; }
        CHECK(p.GBps >= target * unit / q * (1 - 1e-9));
        CHECK_FALSE(exists(pool.trees(), 0, static_cast<int>(p.trees.size()) - 1, target, room));
        return;
    }
    FAIL("no grid reaches the threshold");
}

} // namespace

TEST_CASE("no packing of up to four GPUs of a DGX-1 reaches the threshold with fewer trees") {
    const auto check_all = [](const topology& box, const std::vector<boxes::fragment>& fragments) {
        for (const boxes::fragment& x : fragments) {
            if (x.gpus.size() > 4) { continue; }
            CAPTURE(boxes::label(box.name(), x.gpus));
            const fabric f = boxes::fabric_of(box, x.gpus);
            for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
                for (int root = 0; root < (is_rooted(kind) ? f.ranks : 1); ++root) {
                    const packing p = pack(f, kind, root);
                    // One-hop trees are more on purpose: every rank is a root, and no tree is flatter.
                    if (p.weights.iterations > 0) { check_fewest(f, p); }
                }
            }
        }
    };
    check_all(boxes::dgx1v(), boxes::dgx1v_fragments);
    check_all(boxes::dgx1p(), boxes::dgx1p_fragments);
}

TEST_CASE("nor does one on random graphs of three and four ranks") {
    for (unsigned seed = 0; seed < 30; ++seed) {
        CAPTURE(seed);
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 2), seed, false));
        for (const collective kind : {collective::broadcast, collective::allreduce}) {
            const packing p = pack(f, kind, 0);
            const hop_graph g = make_hop_graph(f, kind, 0);
            // Trying everything takes too long where there are many trees with many shares each.
            if (p.weights.iterations > 0 && count_trees(g) < 9) { check_fewest(f, p); }
        }
    }
}

TEST_CASE("the most that a given number of trees carries is found") {
    const fabric f = boxes::fabric_of(boxes::dgx1v(), {0, 1, 2, 3});
    const hop_graph g = make_hop_graph(f, collective::broadcast, 0);
    const candidate_pool pool = all_trees(g);
    double last = 0;
    for (int count = 1; count <= 4; ++count) {
        const Eigen::ArrayXd room = g.capacity / boxes::dgx1v_lane;
        fewest_trees search(g, pool.trees(), room, 1'000'000, g.ranks);
        double most = 0;
        for (const chosen_tree& t : search.find_most(count)) { most += t.rate; }
        Eigen::ArrayXd left = room;
        CHECK(most >= last);
        CHECK_FALSE(exists(pool.trees(), 0, count, most + 1, left));
        last = most;
    }
    CHECK(last == 4);
}

TEST_CASE("flattened trees keep their rates, their number and the links' capacities") {
    const fabric f = make_fabric(boxes::dgx1v());
    const hop_graph g = make_hop_graph(f, collective::broadcast, 0);
    std::vector<chosen_tree> trees;
    for (const hop_tree& t : exact_arborescences(g, g.capacity / 25, 6)) { trees.push_back({t, 25}); }
    const std::vector<chosen_tree> flat = flatten(g, trees);
    REQUIRE(flat.size() == 6);
    Eigen::ArrayXd room = g.capacity;
    int before = 0;
    int after = 0;
    for (std::size_t i = 0; i < flat.size(); ++i) {
        CHECK(flat[i].rate == 25);
        candidate_tree{flat[i].hops, g.load(flat[i].hops)}.take(room, 25);
        before = std::max(before, detail::depth_of(g, trees[i].hops));
        after = std::max(after, detail::depth_of(g, flat[i].hops));
    }
    CHECK(room.minCoeff() >= -1e-9);
    MESSAGE("depth " << before << " before, " << after << " after");
    CHECK(after < before);
}
