// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>
#include <blink/packing/refill.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

constexpr double slack = 0.05;

void check_rate(const refilled_packing& r, const fabric& f, collective kind, double wanted_slack) {
    const packing best = pack(f, kind, 0, {.slack = 0});
    CHECK(r.packing.GBps >= best.GBps * (1 - wanted_slack) * (1 - 1e-9));
    CHECK(r.origin.size() == r.packing.trees.size());
}

} // namespace

TEST_CASE("a packing that still fits stays as it is") {
    for (const topology& box : {boxes::dgx1v(), boxes::star(6, 4), boxes::pcie_tree(3)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const fabric f = make_fabric(box);
            const packing p = pack(f, kind, 0, {.slack = slack});
            const refilled_packing r = refill(f, kind, 0, p.trees, {.slack = slack});
            CHECK(r.packing.trees == p.trees);
            CHECK(std::ranges::count(r.origin, -1) == 0);
        }
    }
}

TEST_CASE("without old trees the room is filled all the same") {
    for (const topology& box : {boxes::dgx1v(), boxes::dgx1p(), boxes::pcie_tree(3), boxes::star(5, 2)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const fabric f = make_fabric(box);
            for (const double s : {0.0, slack}) { check_rate(refill(f, kind, 0, {}, {.slack = s}), f, kind, s); }
        }
    }
}

TEST_CASE("trees that stand in the way of the best rate give way") {
    // A path through all GPUs wastes what a star of double links carries.
    topology box("box", 4);
    for (int v = 1; v < 4; ++v) { box.connect({0, v, 50, 2}); }
    box.connect({1, 2, 10});
    const fabric f = make_fabric(box);
    const packing thin = pack(make_fabric([] {
                                  topology path("path", 4);
                                  path.connect({0, 1, 10});
                                  path.connect({0, 3, 10});
                                  path.connect({1, 2, 10});
                                  return path;
                              }()),
                              collective::broadcast, 0);
    std::vector<packed_tree> old = thin.trees;
    for (tree_edge& e : old[0].edges) {
        const auto hop =
            std::ranges::find_if(f.arcs, [&](const arc& a) { return a.from == e.parent && a.to == e.child; });
        e.down = static_cast<int>(hop - f.arcs.begin());
    }
    const refilled_packing kept = refill(f, collective::broadcast, 0, old, {.slack = 0.3});
    CHECK(kept.origin.front() == 0);
    old[0].GBps = 10;
    const refilled_packing r = refill(f, collective::broadcast, 0, old, {.slack = 0});
    check_rate(r, f, collective::broadcast, 0);
}

TEST_CASE("random trees on random machines: the best rate, less the slack, whatever they are") {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        const int ranks = 3 + static_cast<int>(seed % 4);
        const fabric f = make_fabric(boxes::random_direct(ranks, seed, seed % 2 == 0));
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            CAPTURE(seed);
            // The trees of a loose packing of few trees fill links that the best one needs.
            std::vector<packed_tree> old;
            try {
                old = pack(f, kind, 0, {.slack = 0.6, .max_trees = 2}).trees;
            } catch (const plan_error&) { continue; }
            for (const double s : {0.0, slack}) { check_rate(refill(f, kind, 0, old, {.slack = s}), f, kind, s); }
        }
    }
}
