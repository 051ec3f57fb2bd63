// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/free_roots.hpp>
#include <blink/packing/pack.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "oracle.hpp"

using namespace blink;

namespace {

double sum(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

/// Whether some set of ranks would have to send out more than all cuts around it carry.
bool overloaded(const fabric& f, const std::vector<double>& x) {
    for (unsigned set = 0; set < 1U << f.vertices; ++set) {
        const int members = oracle::ranks_in(f, set);
        if (members == 0 || members == f.ranks) { continue; }
        double own = 0;
        for (int v = 0; v < f.ranks; ++v) { own += (set >> v & 1U) != 0 ? x[static_cast<std::size_t>(v)] : 0; }
        if (own > oracle::crossing(f, set, false) * (1 + 1e-8)) { return true; }
    }
    return false;
}

} // namespace

TEST_CASE("free roots have at least the rate of equal ones, and overload no cut") {
    for (unsigned seed = 0; seed < 150; ++seed) {
        const int gpus = 2 + static_cast<int>(seed % 6);
        const fabric f = make_fabric(
            oracle::random_machine(gpus, static_cast<int>(seed % 4), seed % 5 == 0, seed % 2 == 1, 9000 + seed));
        CAPTURE(seed);
        const std::vector<double> x = best_root_rates(f);
        REQUIRE(static_cast<int>(x.size()) == gpus);
        CHECK(sum(x) >= oracle::sharded(f, false) * (1 - 1e-8));
        CHECK_FALSE(overloaded(f, x));
        // No root can take more without another giving some back.
        for (std::size_t v = 0; v < x.size(); ++v) {
            std::vector<double> more = x;
            more[v] += 1e-3 * sum(x);
            CHECK(overloaded(f, more));
        }
    }
}

TEST_CASE("used both ways on full-duplex direct wires, trees of free roots are no faster than undirected ones") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const fabric f =
            make_fabric(oracle::random_machine(2 + static_cast<int>(seed % 6), 0, false, seed % 2 == 1, 9500 + seed));
        CAPTURE(seed);
        CHECK(sum(best_root_rates(f)) <= 2 * oracle::allreduce(f) * (1 + 1e-8));
    }
}

TEST_CASE("boxes with a GPU missing reduce at their bound, though their roots cannot be equal") {
    for (const std::string name : {"dgx_a100x2", "dgx_a100x3"}) {
        const topology machine = machine_named(name);
        std::vector<int> gpus(static_cast<std::size_t>(machine.gpu_count() - 1));
        std::iota(gpus.begin(), gpus.end(), 1);
        fabric f = make_fabric(induced(machine, gpus));
        const packing p = pack_on_any_route(f, collective::allreduce, 0, {.slack = 0});
        CAPTURE(name);
        CHECK(oracle::recount(p, f).wrong == "");
        CHECK(p.GBps == doctest::Approx(p.bound.GBps).epsilon(1e-6));
        CHECK(p.GBps >
              oracle::recount(pack_on_any_route(f, collective::allgather, 0, {.slack = 0}), f).GBps / 2 * 1.01);
    }
}
