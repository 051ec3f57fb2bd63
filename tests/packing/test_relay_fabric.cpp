// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>
#include <blink/packing/relay_fabric.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

constexpr std::array every_collective{collective::broadcast, collective::reduce, collective::allreduce,
                                      collective::allgather, collective::reduce_scatter};

/// The members of the subset `mask` of 0 .. n-1, and the others.
std::pair<std::vector<int>, std::vector<int>> subset(unsigned mask, int n) {
    std::pair<std::vector<int>, std::vector<int>> s;
    for (int v = 0; v < n; ++v) { ((mask >> v & 1U) != 0 ? s.first : s.second).push_back(v); }
    return s;
}

/// Links from `from` to `to` in GB/s, counted once for each of a hop's parts.
double between(std::span<const blink::link> links, int from, int to) {
    double sum = 0;
    for (const blink::link& l : links) { sum += l.from == from && l.to == to ? l.GBps : 0; }
    return sum;
}

/// Each hop leads over links that meet, none serves two hops, and all together are those of `g`.
void check_hops(const fabric& f, const topology& g) {
    std::vector<int> uses(f.links.size(), 0);
    for (const arc& a : f.arcs) {
        REQUIRE(!a.route.empty());
        int at = a.from;
        for (const int l : a.route) {
            const blink::link& wire = f.links[static_cast<std::size_t>(l)];
            CHECK(wire.from == at);
            CHECK((at == a.from || at >= f.ranks));
            at = wire.to;
            ++uses[static_cast<std::size_t>(l)];
        }
        CHECK(at == a.to);
    }
    CHECK(std::all_of(uses.begin(), uses.end(), [](int n) { return n <= 1; }));
    for (int u = 0; u < f.vertices; ++u) {
        for (int v = 0; v < f.vertices; ++v) {
            CHECK(between(f.links, u, v) == doctest::Approx(between(g.links(), u, v)).epsilon(1e-9));
        }
    }
}

/// The best rate of `kind` among the ranks, by the cuts of the machine alone.
double best_rate(const topology& g, collective kind, int root) {
    Eigen::MatrixXd capacity = Eigen::MatrixXd::Zero(g.vertex_count(), g.vertex_count());
    for (const blink::link& l : g.links()) { capacity(l.from, l.to) += l.GBps; }
    return detail::split_demand(kind, root, g.gpu_count(), capacity).rate();
}

/// Wires between random vertices, and a ring so that all are joined.
topology random_machine(int ranks, int relays, unsigned seed) {
    std::mt19937 dice(seed);
    const int n = ranks + relays;
    topology box("random", ranks, std::vector<vertex_kind>(static_cast<std::size_t>(relays), vertex_kind::gpu));
    for (int u = 0; u < n; ++u) {
        for (int v = u + 1; v < n; ++v) {
            const bool ring = v == u + 1 || (u == 0 && v == n - 1);
            if (!ring && dice() % 2 == 0) { continue; }
            const int lanes = 1 + static_cast<int>(dice() % 3);
            box.connect({u, v, 10.0 * lanes, lanes});
        }
    }
    return box;
}

} // namespace

TEST_CASE("with all idle GPUs as relays every fragment of a DGX-1 reaches what its GPUs' own links carry") {
    for (const auto& [box, lane, lanes] :
         {std::tuple(boxes::dgx1v(), boxes::dgx1v_lane, 6), std::tuple(boxes::dgx1p(), boxes::dgx1p_lane, 4)}) {
        for (unsigned mask = 1; mask < 255; ++mask) {
            const auto [gpus, relays] = subset(mask, 8);
            const int n = static_cast<int>(gpus.size());
            if (n < 2) { continue; }
            const topology g = induced(box, gpus, relays);
            CAPTURE(mask);
            for (const collective kind : every_collective) {
                const fabric f = make_relay_fabric(g, link_choice::nvlink, kind, 0);
                const packing p = pack(f, kind, 0, {.slack = 0});
                const double degree = lane * lanes;
                const double best = kind == collective::allreduce ? degree * n / (2 * (n - 1))
                                    : is_sharded(kind)            ? degree * n / (n - 1)
                                                                  : degree;
                CHECK(p.GBps == doctest::Approx(best).epsilon(1e-6));
                CHECK(p.bound.GBps == doctest::Approx(best).epsilon(1e-9));
                if (kind == collective::allreduce) { check_hops(f, g); }
            }
        }
    }
}

TEST_CASE("some relays give what the cuts of the machine with them allow") {
    for (const topology& box : {boxes::dgx1v(), boxes::dgx1p()}) {
        std::mt19937 dice(7);
        for (int trial = 0; trial < 60; ++trial) {
            std::vector<int> all{0, 1, 2, 3, 4, 5, 6, 7};
            std::shuffle(all.begin(), all.end(), dice);
            const std::size_t n = 2 + dice() % 4;
            const std::vector<int> gpus(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
            const std::vector<int> relays(all.begin() + static_cast<std::ptrdiff_t>(n), all.end() - 1 - dice() % 2);
            const topology g = induced(box, gpus, relays);
            CAPTURE(trial);
            for (const collective kind : every_collective) {
                fabric f;
                try {
                    f = make_relay_fabric(g, link_choice::nvlink, kind, 0);
                } catch (const plan_error&) { continue; }
                const packing p = pack(f, kind, 0, {.slack = 0});
                CHECK(p.GBps == doctest::Approx(best_rate(g, kind, 0)).epsilon(1e-6));
                check_hops(f, g);
            }
        }
    }
}

TEST_CASE("relays of random machines lose nothing of the best rate") {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        const int ranks = 2 + static_cast<int>(seed % 4);
        const topology g = random_machine(ranks, 1 + static_cast<int>(seed % 3), seed);
        CAPTURE(seed);
        for (const collective kind : every_collective) {
            const int root = static_cast<int>(seed) % ranks;
            const fabric f = make_relay_fabric(g, link_choice::nvlink, kind, root);
            const packing p = pack(f, kind, root, {.slack = 0});
            CHECK(p.GBps == doctest::Approx(best_rate(g, kind, root)).epsilon(1e-6));
            check_hops(f, g);
        }
    }
}

TEST_CASE("without relays the best rate by cuts is the bound") {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        const int ranks = 3 + static_cast<int>(seed % 4);
        const topology g = boxes::random_direct(ranks, seed, false);
        const fabric f = make_fabric(g);
        for (const collective kind : every_collective) {
            CHECK(best_rate(g, kind, 1) == doctest::Approx(bound(f, kind, 1).GBps).epsilon(1e-9));
        }
    }
}

TEST_CASE("relays carry over a switch and beside it") {
    // Two boxes of three GPUs: a switch in each, and one thin wire from every GPU to the other box.
    topology boxes("boxes", 6, {vertex_kind::nvswitch, vertex_kind::nvswitch, vertex_kind::network_switch});
    for (int v = 0; v < 6; ++v) {
        boxes.connect({v, v < 3 ? 6 : 7, 100, 4});
        boxes.connect({v, 8, 10, 1, link_kind::network});
    }
    const std::vector<int> gpus{0, 3};
    const std::vector<int> relays{1, 2, 4, 5};
    const fabric f = make_relay_fabric(induced(boxes, gpus, relays), link_choice::automatic, collective::broadcast, 0);
    CHECK(pack(f, collective::broadcast, 0, {.slack = 0}).GBps == doctest::Approx(30).epsilon(1e-9));
    CHECK(pack(make_fabric(induced(boxes, gpus)), collective::broadcast, 0, {.slack = 0}).GBps ==
          doctest::Approx(10).epsilon(1e-9));
}

TEST_CASE("relays that join nobody, and wires that differ in their two directions, are refused") {
    topology box("box", 4);
    box.connect({0, 1, 25});
    box.connect({2, 3, 25});
    CHECK_THROWS_WITH_AS((void)make_relay_fabric(induced(box, std::vector{0, 3}, std::vector{1, 2}),
                                                 link_choice::automatic, collective::allreduce, 0),
                         "box: no path between rank 0 and rank 1 over the links that may be used, relays included",
                         plan_error);
    box.add_link({1, 2, 25});
    CHECK_THROWS_WITH_AS((void)make_relay_fabric(induced(box, std::vector{0, 3}, std::vector{1, 2}),
                                                 link_choice::nvlink, collective::allreduce, 0),
                         doctest::Contains("25.000000 GB/s has no equal the other way"), plan_error);
}
