// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/whole_units.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "machines.hpp"
#include "oracle.hpp"

using namespace blink;

namespace {

/// The demand's links are what the fabric's links hold in whole units, and every rank can receive all trees over them.
void check_demand(const unit_demand& d, const fabric& f) {
    REQUIRE(d.each > 0);
    REQUIRE(d.links.size() >= f.links.size());
    fabric units = f;
    for (std::size_t i = 0; i < f.links.size(); ++i) {
        CHECK(d.links[i].units == std::floor(d.links[i].units));
        CHECK(d.links[i].units * d.unit <= f.links[i].GBps * (1 + 1e-9));
        units.links[i].GBps = d.links[i].units + 1e-12;
    }
    CHECK(oracle::sharded(units, false) >= d.trees * (1 - 1e-9));
}

} // namespace

TEST_CASE("without slack the unit divides the bound of a DGX-1V, from one root and from all") {
    const fabric f = make_fabric(boxes::dgx1v());
    const unit_demand one = choose_units(f, collective::broadcast, 3, 150, {.slack = 0});
    CHECK(one.each == 6);
    CHECK(one.unit == doctest::Approx(25));
    CHECK(one.root == 3);
    const unit_demand all = choose_units(f, collective::allgather, 0, 1200.0 / 7, {.slack = 0});
    CHECK(all.each == 6);
    CHECK(all.trees == 48);
    CHECK(all.unit == doctest::Approx(25.0 / 7));
    check_demand(all, f);
}

TEST_CASE("with slack fewer and larger units do, and a limit on the trees is kept") {
    const fabric f = make_fabric(boxes::dgx1v());
    const unit_demand usual = choose_units(f, collective::allgather, 0, 1200.0 / 7, {.slack = 0.05});
    CHECK(usual.each < 6);
    CHECK(usual.unit * usual.trees >= 0.95 * 1200 / 7);
    check_demand(usual, f);
    const unit_demand limited = choose_units(f, collective::allgather, 0, 1200.0 / 7, {.slack = 0, .max_trees = 8});
    CHECK(limited.each == 1);
    check_demand(limited, f);
    CHECK(choose_units(f, collective::allgather, 0, 1200.0 / 7, {.slack = 0, .max_trees = 7}).each == 0);
}

TEST_CASE("capacities that share no unit are counted in very small ones") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        const fabric f = make_fabric(
            oracle::random_machine(3 + static_cast<int>(seed % 4), static_cast<int>(seed % 3), false, true, seed));
        const double best = oracle::sharded(f, false);
        const unit_demand d = choose_units(f, collective::allgather, 0, best, {.slack = 0});
        CAPTURE(seed);
        CHECK(d.unit * d.trees == doctest::Approx(best).epsilon(1e-6));
        check_demand(d, f);
    }
}

TEST_CASE("roots of unequal rates get units in proportion") {
    // A star of three wires, one of them wide: its rank hands on what the two others are the roots of.
    topology box("star", 3, {vertex_kind::nvswitch});
    box.connect({0, 3, 40, 1});
    box.connect({1, 3, 20, 1});
    box.connect({2, 3, 20, 1});
    const fabric f = make_fabric(box);
    const unit_demand d = choose_uneven_units(f, {0, 20, 20}, 40);
    REQUIRE(d.each > 0);
    CHECK(d.unit * d.trees == doctest::Approx(40));
    CHECK(d.links[f.links.size()].units == 0);
    CHECK(d.links[f.links.size() + 1].units == d.links[f.links.size() + 2].units);
    CHECK(choose_uneven_units(f, {20, 10, 10}, 40).each == 0);
}
