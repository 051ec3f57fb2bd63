// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/switch_splitting.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "machines.hpp"
#include "oracle.hpp"

using namespace blink;

namespace {

/// The weakest cut that parts the root from some rank, by trying all sets of ranks.
double weakest_cut(const std::vector<split_hop>& hops, const unit_demand& d, int ranks) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned set = 1; set < 1U << ranks; ++set) {
        if (d.root < ranks && (set >> d.root & 1U) != 0) { continue; }
        double into = 0;
        for (const split_hop& h : hops) {
            const bool from = h.from < ranks && (set >> h.from & 1U) != 0;
            if (!from && (set >> h.to & 1U) != 0) { into += h.units; }
        }
        least = std::min(least, into);
    }
    return least;
}

/// Hops join ranks over unbroken ways through switches and take no more units than a link has.
void check_ways(const std::vector<split_hop>& hops, const unit_demand& d, int ranks) {
    std::vector<double> used(d.links.size(), 0);
    for (const split_hop& h : hops) {
        int v = h.from;
        for (const int l : h.links) {
            const unit_link& next = d.links.at(static_cast<std::size_t>(l));
            CHECK(next.from == v);
            CHECK((v == h.from || v >= ranks));
            used[static_cast<std::size_t>(l)] += h.units;
            v = next.to;
        }
        CHECK(v == h.to);
        CHECK(h.to < ranks);
    }
    for (std::size_t l = 0; l < used.size(); ++l) { CHECK(used[l] <= d.links[l].units); }
}

} // namespace

TEST_CASE("past the switches every rank still receives all units, from one root and from all") {
    for (unsigned seed = 0; seed < 120; ++seed) {
        const int gpus = 2 + static_cast<int>(seed % 6);
        const fabric f = make_fabric(
            oracle::random_machine(gpus, 1 + static_cast<int>(seed % 3), seed % 4 == 0, seed % 2 == 1, 500 + seed));
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allgather}) {
            CAPTURE(seed);
            CAPTURE(to_string(kind));
            const double best =
                is_rooted(kind) ? oracle::rooted(f, 0, kind == collective::reduce) : oracle::sharded(f, false);
            const unit_demand d = choose_units(f, kind, 0, best, {.slack = 0});
            REQUIRE(d.each > 0);
            CHECK(d.trees * d.unit == doctest::Approx(best).epsilon(1e-6));
            const std::vector<split_hop> hops = split_switches(d, f);
            REQUIRE(!hops.empty());
            CHECK(weakest_cut(hops, d, f.ranks) >= d.trees);
            check_ways(hops, d, f.ranks);
        }
    }
}

TEST_CASE("a switch that is paired off evenly leaves one hop for each pair of ranks") {
    const fabric f = make_fabric(boxes::star(4, 6));
    const unit_demand d = choose_units(f, collective::allgather, 0, 200, {.slack = 0});
    CHECK(d.each == 1);
    CHECK(d.unit == doctest::Approx(50));
    const std::vector<split_hop> hops = split_switches(d, f);
    CHECK(hops.size() == 12 + 4);
    for (const split_hop& h : hops) { CHECK(h.units == 1); }
}

TEST_CASE("a switch that gives out less than it takes in gives up what nobody needs, or is refused") {
    // Three ranks send 2 units each into the switch, which hands 1 to each: one unit of each goes to waste.
    fabric f{3, 4, {}, {}};
    for (int v = 0; v < 3; ++v) {
        f.links.push_back({v, 3, 20, 1});
        f.links.push_back({3, v, 10, 1});
    }
    const unit_demand d = choose_units(f, collective::broadcast, 0, 10, {.slack = 0});
    const std::vector<split_hop> hops = split_switches(d, f);
    CHECK(weakest_cut(hops, d, 3) >= d.trees);
    check_ways(hops, d, 3);
    // A switch that receives one unit and should hand it to two ranks would have to copy it.
    const unit_demand copied{2, 10, 0, 2, {{0, 3, 1}, {3, 1, 1}, {3, 2, 1}, {0, 1, 1}, {0, 2, 1}}};
    CHECK(split_switches(copied, f).empty());
}
