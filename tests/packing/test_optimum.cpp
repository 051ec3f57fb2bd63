// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the planner reaches and what its bounds say, against all cuts and partitions of small machines.
#include <blink/packing/pack.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "machines.hpp"
#include "oracle.hpp"

using namespace blink;

namespace {

constexpr double exact = 1e-6;

double best_rate(const fabric& f, collective kind, int root) {
    if (is_rooted(kind)) { return oracle::rooted(f, root, kind == collective::reduce); }
    return is_sharded(kind) ? oracle::sharded(f, kind == collective::reduce_scatter) : oracle::allreduce(f);
}

/// Packs and counts; the bound is `optimum` and the rate within `slack` of it.
void check_packing(fabric f, collective kind, int root, double optimum, double slack) {
    CAPTURE(to_string(kind));
    CAPTURE(root);
    CAPTURE(slack);
    const packing p = pack_on_any_route(f, kind, root, {.slack = slack});
    const oracle::count c = oracle::recount(p, f);
    CHECK(c.wrong == "");
    CHECK(p.bound.GBps == doctest::Approx(optimum).epsilon(1e-9));
    CHECK(c.GBps >= optimum * (1 - slack) * (1 - exact));
    CHECK(c.GBps <= optimum * (1 + 1e-9));
}

void check_random(int switches, bool one_way, unsigned first, unsigned count) {
    for (unsigned seed = first; seed < first + count; ++seed) {
        const int gpus = 2 + static_cast<int>(seed % (switches > 0 ? 6 : 7));
        const topology box = oracle::random_machine(gpus, switches, one_way, seed % 2 == 1, seed);
        CAPTURE(box.name());
        const fabric f = make_fabric(box);
        const int root = static_cast<int>(seed / 3) % gpus;
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allgather,
                                      collective::reduce_scatter, collective::allreduce}) {
            if (kind == collective::allreduce && (switches > 0 || one_way)) { continue; }
            const double optimum = best_rate(f, kind, root);
            for (const double slack : {0.0, 0.05}) { check_packing(f, kind, root, optimum, slack); }
        }
    }
}

} // namespace

TEST_CASE("200 random machines of direct wires are filled to the optimum of all cuts and partitions") {
    check_random(0, false, 1000, 200);
}

TEST_CASE("80 random machines of one-way wires are filled to the optimum of all cuts") {
    check_random(0, true, 2000, 80);
}

TEST_CASE("150 random machines with one to three switches are filled to the optimum of all cuts") {
    check_random(1, false, 3000, 50);
    check_random(2, false, 4000, 50);
    check_random(3, false, 5000, 50);
}

TEST_CASE("70 random machines whose switches have one-way wires are filled to the optimum of all cuts") {
    check_random(1, true, 6000, 35);
    check_random(3, true, 7000, 35);
}

TEST_CASE("all 362 joined subsets of both DGX-1 are filled exactly, from every root") {
    int subsets = 0;
    for (const topology& box : {boxes::dgx1v(), boxes::dgx1p()}) {
        for (unsigned set = 1; set < 256; ++set) {
            std::vector<int> gpus;
            for (int v = 0; v < 8; ++v) {
                if ((set >> v & 1U) != 0) { gpus.push_back(v); }
            }
            fabric f;
            if (gpus.size() < 3) { continue; }
            try {
                f = boxes::fabric_of(box, gpus);
            } catch (const plan_error&) { continue; }
            ++subsets;
            CAPTURE(boxes::label(box.name(), gpus));
            for (int root = 0; root < f.ranks; ++root) {
                check_packing(f, collective::broadcast, root, oracle::rooted(f, root, false), 0);
            }
            check_packing(f, collective::allreduce, 0, oracle::allreduce(f), 0);
        }
    }
    CHECK(subsets == 362);
}
