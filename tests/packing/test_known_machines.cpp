// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The machines known by name, all GPUs, against rates that other programs computed.
#include <blink/packing/pack.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "oracle.hpp"

using namespace blink;

namespace {

/// Optimal rates in GB/s; those of a reduce and a reduce-scatter are those of broadcast and allgather.
struct known_rates {
    std::string name;
    double allgather;
    double allreduce;
    double broadcast;
};

const std::vector<known_rates> known{{"dgx1p", 640.0 / 7, 320.0 / 7, 80},
                                     {"dgx1v", 1200.0 / 7, 600.0 / 7, 150},
                                     {"dgx2", 160, 80, 150},
                                     {"dgx_a100", 2400.0 / 7, 1200.0 / 7, 300},
                                     {"dgx_a100x2", 1040.0 / 3, 520.0 / 3, 200},
                                     {"dgx_a100x4", 800.0 / 3, 400.0 / 3, 200},
                                     {"mi250", 2400.0 / 7, 1200.0 / 7, 300},
                                     {"hgx_h100x2", 1600.0 / 3, 800.0 / 3, 400},
                                     {"hgx_h100x4", 16000.0 / 31, 8000.0 / 31, 400},
                                     {"hgx_h100x8", 3200.0 / 7, 1600.0 / 7, 400},
                                     {"hgx_h100x16", 1280.0 / 3, 640.0 / 3, 400}};

double optimum(const known_rates& k, collective kind) {
    return is_rooted(kind) ? k.broadcast : is_sharded(kind) ? k.allgather : k.allreduce;
}

constexpr collective all[] = {collective::broadcast, collective::reduce, collective::allreduce, collective::allgather,
                              collective::reduce_scatter};

} // namespace

TEST_CASE("machines known by name reach their optimum without slack, and 95 % of it with few trees by default") {
    for (const known_rates& k : known) {
        const fabric f = make_fabric(machine_named(k.name));
        for (const collective kind : all) {
            CAPTURE(k.name);
            CAPTURE(to_string(kind));
            const double best = optimum(k, kind);
            const packing exact = pack(f, kind, 0, {.slack = 0});
            CHECK(exact.bound.GBps == doctest::Approx(best).epsilon(1e-9));
            CHECK(exact.GBps == doctest::Approx(best).epsilon(1e-6));
            const packing usual = pack(f, kind, f.ranks - 1);
            CHECK(oracle::recount(usual, f).wrong == "");
            CHECK(usual.GBps >= 0.95 * best);
            CHECK(usual.trees.size() <= exact.trees.size());
            CHECK(static_cast<int>(usual.trees.size()) <= std::max(32, f.ranks));
        }
    }
}

TEST_CASE("boxes in other numbers are filled too") {
    for (const std::string name : {"dgx_a100x3", "dgx_a100x5", "dgx_a100x6", "dgx_a100x7", "dgx_a100x8", "hgx_h100x3",
                                   "hgx_h100x5", "hgx_h100x12"}) {
        const fabric f = make_fabric(machine_named(name));
        for (const collective kind : all) {
            CAPTURE(name);
            CAPTURE(to_string(kind));
            const packing exact = pack(f, kind, f.ranks / 2, {.slack = 0});
            CHECK(oracle::recount(exact, f).wrong == "");
            CHECK(exact.GBps == doctest::Approx(exact.bound.GBps).epsilon(1e-6));
        }
    }
}

TEST_CASE("two boxes share out an allgather in few trees") {
    const fabric f = make_fabric(machine_named("dgx_a100x2"));
    CHECK(pack(f, collective::allgather, 0, {.slack = 0}).trees.size() <= 48);
    CHECK(pack(f, collective::allgather, 0).trees.size() == 16);
    CHECK(pack(f, collective::broadcast, 0, {.slack = 0}).trees.size() == 8);
}

TEST_CASE("a fragment of several boxes has no rails, and is still filled to the slack") {
    for (const std::string name : {"dgx_a100x2", "hgx_h100x4"}) {
        const topology machine = machine_named(name);
        std::vector<int> gpus;
        for (int v = 1; v < machine.gpu_count(); ++v) {
            if (v != 10) { gpus.push_back(v); }
        }
        fabric f = make_fabric(induced(machine, gpus));
        for (const collective kind : all) {
            CAPTURE(name);
            CAPTURE(to_string(kind));
            const packing p = pack_on_any_route(f, kind, 2);
            CHECK(oracle::recount(p, f).wrong == "");
            CHECK(p.GBps >= 0.95 * p.bound.GBps * (1 - 1e-9));
        }
    }
}
