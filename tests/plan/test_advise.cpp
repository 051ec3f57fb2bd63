// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/advise.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

using namespace blink;

namespace {

std::vector<int> first(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

plan_options exact(link_choice links) { return {.links = links, .pack = {.slack = 0}}; }

/// Choices of `count` GPUs of a DGX-1 that NVLink joins, and the mean of their best allreduce rates, to 0.1 GB/s;
/// computed by linear programmes outside of Blink. Relays raise every choice to `relayed`.
struct known {
    int count;
    std::uint64_t joined;
    double mean_p;
    double mean_v;
    double relayed_p;
    double relayed_v;
};

constexpr std::array known_means{known{3, 32, 22.5, 35.9, 60.0, 112.5}, known{4, 56, 21.4, 34.7, 53.3, 100.0},
                                 known{5, 56, 24.3, 40.6, 50.0, 93.8}, known{6, 28, 31.7, 57.1, 48.0, 90.0},
                                 known{7, 8, 40.0, 75.0, 46.7, 87.5}};

} // namespace

TEST_CASE("the means over the fragments of a DGX-1 are those that linear programmes gave") {
    for (const known& k : known_means) {
        for (const bool volta : {false, true}) {
            const advice a = advise(volta ? topology(dgx1v) : topology(dgx1p), first(8), k.count, collective::allreduce,
                                    exact(link_choice::nvlink));
            CAPTURE(k.count);
            CHECK(a.alone.fast == k.joined);
            CHECK(std::abs(a.alone.fast_mean_GBps - (volta ? k.mean_v : k.mean_p)) <= 0.051);
            const double share = static_cast<double>(k.joined) / static_cast<double>(a.choices);
            CHECK(a.alone.mean_GBps == doctest::Approx(share * a.alone.fast_mean_GBps));
            for (const double GBps : {a.relayed.best.GBps, a.relayed.worst.GBps, a.relayed.mean_GBps}) {
                CHECK(std::abs(GBps - (volta ? k.relayed_v : k.relayed_p)) <= 0.051);
            }
            CHECK(a.relayed.fast == a.choices);
            CHECK(a.planned == a.choices);
        }
    }
}

TEST_CASE("best and worst choices are named, the first of those that do as well") {
    const advice a = advise(topology(dgx1v), first(8), 3, collective::allreduce, exact(link_choice::automatic));
    CHECK(a.choices == 56);
    CHECK(a.alone.best.GBps == doctest::Approx(62.5));
    CHECK(a.alone.best.gpus == std::vector{0, 2, 3});
    CHECK(a.alone.worst.gpus == std::vector{0, 1, 6});
    CHECK(a.alone.worst.equals + 32 <= 56);
    CHECK(a.alone.worst.GBps < 20);
    std::uint64_t best = 0;
    for (int x = 0; x < 8; ++x) {
        for (int y = x + 1; y < 8; ++y) {
            for (int z = y + 1; z < 8; ++z) {
                const plan p = make_plan(topology(dgx1v), std::vector{x, y, z}, collective::allreduce, best_root,
                                         exact(link_choice::automatic));
                best += p.packing.GBps > 62.5 * (1 - 1e-9) ? 1 : 0;
                CHECK(p.packing.GBps < 62.5 * (1 + 1e-9));
            }
        }
    }
    CHECK(a.alone.best.equals == best);
}

TEST_CASE("GPUs behind one switch are interchangeable, so one choice stands for all") {
    const advice a = advise(topology(dgx2), first(16), 8, collective::allreduce);
    CHECK(a.choices == 12870);
    CHECK(a.planned == 1);
    CHECK(a.alone.best.equals == 12870);
    CHECK(a.alone.mean_GBps == doctest::Approx(a.alone.best.GBps));
    CHECK(a.relayed.mean_GBps == doctest::Approx(a.alone.mean_GBps));
    CHECK(a.alone.fast == 12870);
}

TEST_CASE("choices that stand for others give the same means as all choices") {
    // Four GPUs at one switch, of which two have a wire of their own to a fifth.
    topology box("box", 5, {vertex_kind::nvswitch});
    for (int v = 0; v < 4; ++v) { box.connect({v, 5, 50, 2}); }
    box.connect({0, 4, 25});
    box.connect({2, 4, 25});
    for (const int count : {2, 3}) {
        const advice a = advise(box, first(5), count, collective::broadcast, exact(link_choice::nvlink));
        CHECK(a.planned < a.choices);
        double sum = 0;
        std::uint64_t all = 0;
        for (unsigned mask = 0; mask < 32; ++mask) {
            std::vector<int> gpus;
            for (int v = 0; v < 5; ++v) {
                if ((mask >> v & 1U) != 0) { gpus.push_back(v); }
            }
            if (static_cast<int>(gpus.size()) != count) { continue; }
            ++all;
            try {
                sum += make_plan(box, gpus, collective::broadcast, best_root, exact(link_choice::nvlink)).packing.GBps;
            } catch (const plan_error&) {}
        }
        CHECK(a.choices == all);
        CHECK(a.alone.mean_GBps == doctest::Approx(sum / static_cast<double>(all)));
        CHECK(a.relayed.mean_GBps >= a.alone.mean_GBps);
    }
}

TEST_CASE("only the candidates are chosen and forward") {
    const std::vector<int> candidates{6, 1, 4};
    const advice a = advise(topology(dgx1v), candidates, 2, collective::allreduce, exact(link_choice::nvlink));
    CHECK(a.candidates == std::vector{1, 4, 6});
    CHECK(a.choices == 3);
    CHECK(a.alone.fast == 1);
    CHECK(a.alone.best.gpus == std::vector{4, 6});
    CHECK(a.relayed.mean_GBps == doctest::Approx(a.alone.mean_GBps));
    const advice one = advise(topology(dgx1v), candidates, 1, collective::allreduce);
    CHECK(one.alone.mean_GBps == 0);
}

TEST_CASE("what makes no sense, and too many choices, are refused") {
    const topology machine(dgx1v);
    CHECK_THROWS_WITH_AS((void)advise(machine, first(8), 9, collective::allreduce),
                         "dgx1v: advice on 9 GPUs: expected 1 to 8", usage_error);
    CHECK_THROWS_AS((void)advise(machine, first(8), 0, collective::allreduce), usage_error);
    CHECK_THROWS_AS((void)advise(machine, std::vector{0, 0}, 1, collective::allreduce), usage_error);
    CHECK_THROWS_AS((void)advise(machine, first(8), 2, collective::allreduce, {.relays = {7}}), usage_error);
    CHECK_THROWS_WITH_AS((void)advise(machine_named("hgx_h100x16"), first(128), 64, collective::allreduce),
                         doctest::Contains("more choices than can be counted"), usage_error);
    topology ring("ring", 24);
    for (int v = 0; v < 24; ++v) { ring.connect({v, (v + 1) % 24, 25}); }
    CHECK_THROWS_WITH_AS((void)advise(ring, first(24), 12, collective::allreduce),
                         doctest::Contains("more than 4000 choices differ"), usage_error);
}
