// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>
#include <blink/packing/undirected_split.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "oracle.hpp"

using namespace blink;

namespace {

/// The least cut around a part, over all sides that the switches may take.
double around(const fabric& f, unsigned part) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned switches = 0; switches < 1U << (f.vertices - f.ranks); ++switches) {
        least = std::min(least, oracle::crossing(f, part | switches << f.ranks, false));
    }
    return least;
}

/// Over all partitions of the ranks: what the parts send out together, halved, over (parts - 1).
double partition_optimum(const fabric& f) {
    double least = std::numeric_limits<double>::infinity();
    std::vector<unsigned> parts;
    const auto visit = [&](const auto& self, int v) -> void {
        if (v == f.ranks) {
            if (parts.size() < 2) { return; }
            double sum = 0;
            for (const unsigned part : parts) { sum += around(f, part); }
            least = std::min(least, sum / 2 / static_cast<double>(parts.size() - 1));
            return;
        }
        for (std::size_t p = 0; p < parts.size(); ++p) {
            parts[p] |= 1U << v;
            self(self, v + 1);
            parts[p] &= ~(1U << v);
        }
        parts.push_back(1U << v);
        self(self, v + 1);
        parts.pop_back();
    };
    visit(visit, 0);
    return least;
}

} // namespace

TEST_CASE("an allreduce through irregular full-duplex switches reaches what all partitions allow") {
    int exact = 0;
    constexpr int machines = 240;
    for (unsigned seed = 0; seed < machines; ++seed) {
        const int gpus = 2 + static_cast<int>(seed % 5);
        fabric f = make_fabric(
            oracle::random_machine(gpus, 1 + static_cast<int>(seed % 3), false, seed % 2 == 1, 3000 + seed));
        CAPTURE(seed);
        const double best = partition_optimum(f);
        fabric by_default = f;
        const packing usual = pack_on_any_route(by_default, collective::allreduce, 0);
        CHECK(oracle::recount(usual, by_default).wrong == "");
        CHECK(usual.GBps >= 0.95 * best * (1 - 1e-6));
        const packing p = pack_on_any_route(f, collective::allreduce, 0, {.slack = 0});
        CHECK(oracle::recount(p, f).wrong == "");
        CHECK(p.bound.GBps >= best * (1 - 1e-9));
        exact += p.GBps >= best * (1 - 1e-6) ? 1 : 0;
    }
    CHECK(exact == machines);
}

TEST_CASE("wires without an equal the other way are not joined") {
    topology box("one way", 3, {vertex_kind::nvswitch});
    for (int v = 0; v < 3; ++v) {
        box.add_link({v, 3, 20, 1});
        box.add_link({3, v, 10, 1});
    }
    CHECK(detail::without_switches(make_fabric(box)).strands.empty());
}
