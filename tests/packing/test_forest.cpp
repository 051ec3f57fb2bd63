// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

constexpr collective both[] = {collective::allgather, collective::reduce_scatter};

/// The smallest n * (what direct links carry out of S, or into it) / |S| over all sets S.
double weakest_set(const fabric& f, bool into) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned set = 1; set + 1 < 1U << f.ranks; ++set) {
        double crossing = 0;
        int members = 0;
        for (int v = 0; v < f.ranks; ++v) { members += (set >> v & 1U) != 0 ? 1 : 0; }
        for (const blink::link& l : f.links) {
            const bool from = (set >> l.from & 1U) != 0;
            const bool to = (set >> l.to & 1U) != 0;
            if (from != to && to == into) { crossing += l.GBps; }
        }
        least = std::min(least, f.ranks * crossing / members);
    }
    return least;
}

/// Subsets of the eight GPUs of `box` that its wires join, two GPUs or more.
std::vector<std::vector<int>> joined_subsets(const topology& box) {
    std::vector<std::vector<int>> subsets;
    for (unsigned set = 1; set < 256; ++set) {
        std::vector<int> gpus;
        for (int v = 0; v < 8; ++v) {
            if ((set >> v & 1U) != 0) { gpus.push_back(v); }
        }
        if (gpus.size() < 2) { continue; }
        try {
            (void)boxes::fabric_of(box, gpus);
            subsets.push_back(gpus);
        } catch (const plan_error&) { continue; }
    }
    return subsets;
}

/// Random capacities that share no unit, and some wires that lead one way only.
fabric uneven(int ranks, unsigned seed) {
    std::mt19937 dice(seed);
    topology box("uneven", ranks);
    for (int u = 0; u < ranks; ++u) {
        for (int v = 0; v < ranks; ++v) {
            if (u == v || (v != (u + 1) % ranks && dice() % 2 == 0)) { continue; }
            box.add_link({u, v, 5 + static_cast<double>(dice() % 4001) / 97, 1});
        }
    }
    return make_fabric(box);
}

} // namespace

TEST_CASE("the known machines are packed to their known bounds") {
    struct machine {
        topology box;
        double GBps;
    };
    const std::vector<machine> machines{{boxes::dgx1p(), 640.0 / 7},
                                        {boxes::dgx1v(), 1200.0 / 7},
                                        {boxes::star(16, 6), 160},
                                        {boxes::star(8, 12), 2400.0 / 7}};
    for (const machine& m : machines) {
        const fabric f = make_fabric(m.box);
        for (const collective kind : both) {
            CAPTURE(m.box.name());
            CAPTURE(to_string(kind));
            const packing exact = pack(f, kind, 0, {.slack = 0});
            CHECK(exact.bound.GBps == doctest::Approx(m.GBps).epsilon(1e-12));
            CHECK(exact.GBps == doctest::Approx(m.GBps).epsilon(1e-9));
            const auto start = std::chrono::steady_clock::now();
            const packing p = pack(f, kind, 0);
            const auto spent = std::chrono::steady_clock::now() - start;
            MESSAGE(m.box.name() << " " << to_string(kind) << ": " << p.GBps << " GB/s of " << p.bound.GBps << ", "
                                 << p.trees.size() << " trees, "
                                 << std::chrono::duration<double, std::milli>(spent).count() << " ms");
            CHECK(p.GBps >= 0.95 * m.GBps);
            CHECK(p.trees.size() <= 32);
            CHECK(p == pack(f, kind, 3));
        }
    }
}

TEST_CASE("behind one switch, or all joined alike, every rank has one star") {
    topology mesh("mesh", 5);
    for (int u = 0; u < 5; ++u) {
        for (int v = u + 1; v < 5; ++v) { mesh.connect({u, v, 20, 1}); }
    }
    for (const topology& box : {boxes::star(8, 12), mesh}) {
        for (const collective kind : both) {
            const packing p = pack(make_fabric(box), kind, 0, {.slack = 0});
            REQUIRE(static_cast<int>(p.trees.size()) == p.ranks);
            for (int r = 0; r < p.ranks; ++r) {
                CHECK(p.trees[static_cast<std::size_t>(r)].root == r);
                CHECK(depth(p.trees[static_cast<std::size_t>(r)], p.ranks) == 1);
            }
        }
    }
}

TEST_CASE("all joined fragments of both DGX-1 reach their bound when asked, and 95 % of it by default") {
    for (const topology& box : {boxes::dgx1v(), boxes::dgx1p()}) {
        const auto subsets = joined_subsets(box);
        CHECK(subsets.size() > 150);
        for (const auto& gpus : subsets) {
            CAPTURE(boxes::label(box.name(), gpus));
            const fabric f = boxes::fabric_of(box, gpus);
            const packing usual = pack(f, collective::allgather, 0);
            CHECK(usual.bound.GBps == doctest::Approx(weakest_set(f, false)).epsilon(1e-12));
            CHECK(usual.GBps >= 0.95 * usual.bound.GBps * (1 - 1e-9));
            CHECK(usual.trees.size() <= 32);
            CHECK_NOTHROW(verify(make_schedule(usual)));
            const packing exact = pack(f, collective::reduce_scatter, 0, {.slack = 0});
            CHECK(exact.GBps == doctest::Approx(weakest_set(f, true)).epsilon(1e-9));
            CHECK_NOTHROW(verify(make_schedule(exact)));
        }
    }
}

TEST_CASE("the bound is the weakest of all sets, and its certificate is that set") {
    for (unsigned seed = 0; seed < 120; ++seed) {
        const int ranks = 2 + static_cast<int>(seed % 6);
        const fabric f = seed % 2 == 0 ? make_fabric(boxes::random_direct(ranks, seed, true)) : uneven(ranks, seed);
        for (const collective kind : both) {
            const bool into = kind == collective::reduce_scatter;
            const certificate c = bound(f, kind, 0);
            CHECK(c.GBps == doctest::Approx(weakest_set(f, into)).epsilon(1e-12));
            REQUIRE(c.parts.size() == 2);
            CHECK(c.parts[0].size() + c.parts[1].size() == static_cast<std::size_t>(ranks));
            std::vector<bool> inside(static_cast<std::size_t>(ranks), false);
            for (const int v : c.parts[0]) { inside[static_cast<std::size_t>(v)] = true; }
            double crossing = 0;
            for (const blink::link& l : f.links) {
                const bool from = inside[static_cast<std::size_t>(l.from)];
                const bool to = inside[static_cast<std::size_t>(l.to)];
                if (from != to && to == into) { crossing += l.GBps; }
            }
            CHECK(ranks * crossing / static_cast<double>(c.parts[0].size()) == doctest::Approx(c.GBps).epsilon(1e-12));
        }
    }
}

TEST_CASE("unequal and one-way wires are filled as far as the slack asks") {
    for (unsigned seed = 0; seed < 24; ++seed) {
        const fabric f = uneven(3 + static_cast<int>(seed % 4), seed);
        for (const collective kind : both) {
            for (const double slack : {0.05, 0.0}) {
                CAPTURE(seed);
                CAPTURE(slack);
                const packing p = pack(f, kind, 0, {.slack = slack});
                CHECK(p.GBps >= (1 - slack) * p.bound.GBps * (1 - 1e-7));
                CHECK_NOTHROW(verify(make_schedule(p)));
            }
        }
    }
    topology circle("circle", 5);
    for (int v = 0; v < 5; ++v) { circle.add_link({v, (v + 1) % 5, 25, 1}); }
    const packing chains = pack(make_fabric(circle), collective::allgather, 0);
    CHECK(chains.GBps == doctest::Approx(25.0 * 5 / 4));
    CHECK(chains.trees.size() == 5);
}

TEST_CASE("two wires between two ranks are both used") {
    const fabric pair{2,
                      2,
                      {{0, 1, 25, 1}, {0, 1, 50, 2}, {1, 0, 25, 1}, {1, 0, 50, 2}},
                      {{0, 1, {0}}, {0, 1, {1}}, {1, 0, {2}}, {1, 0, {3}}}};
    const packing p = pack(pair, collective::allgather, 0, {.slack = 0});
    CHECK(p.bound.GBps == doctest::Approx(150));
    CHECK(p.GBps == doctest::Approx(150));
}

TEST_CASE("hops that share links are packed near the bound") {
    for (const int switches : {2, 3, 4}) {
        const fabric f = make_fabric(boxes::pcie_tree(switches));
        const double known = switches == 2 ? 16.0 : 12.0 * f.ranks / (f.ranks - 1);
        for (const collective kind : both) {
            const packing p = pack(f, kind, 0);
            CHECK(p.bound.GBps == doctest::Approx(known));
            CHECK(p.GBps >= 0.95 * known);
            CHECK(p.trees.size() <= 32);
            CHECK_NOTHROW(verify(make_schedule(p)));
        }
    }
}

TEST_CASE("two boxes with one wire between their switches need one tree a rank") {
    topology boxes("boxes", 8, {vertex_kind::nvswitch, vertex_kind::nvswitch});
    for (int v = 0; v < 8; ++v) { boxes.connect({v, 8 + v / 4, 100, 4}); }
    boxes.connect({8, 9, 50, 2, link_kind::network});
    for (const collective kind : both) {
        const packing p = pack(make_fabric(boxes), kind, 0);
        CHECK(p.bound.GBps == doctest::Approx(100));
        CHECK(p.bound.parts[0].size() == 4);
        CHECK(p.GBps == doctest::Approx(100));
        CHECK(p.trees.size() == 8);
    }
}

TEST_CASE("a limit on the trees is kept, and more trees never carry less") {
    const fabric f = make_fabric(boxes::dgx1v());
    double last = 0;
    for (const int most : {8, 12, 16, 24}) {
        const packing p = pack(f, collective::allgather, 0, {.slack = 0, .max_trees = most});
        CHECK(static_cast<int>(p.trees.size()) <= most);
        CHECK(p.GBps >= last * (1 - 1e-9));
        last = p.GBps;
    }
    CHECK(last == doctest::Approx(1200.0 / 7));
    CHECK_THROWS_WITH_AS(pack(f, collective::allgather, 0, {.max_trees = 7}),
                         "allgather: 7 trees at most are too few; each of the 8 ranks needs one of its own",
                         usage_error);
}

TEST_CASE("a rank that nothing leads to is told, and one rank needs no tree") {
    const fabric apart{3, 3, {{0, 1, 25, 1}, {1, 0, 25, 1}}, {{0, 1, {0}}, {1, 0, {1}}}};
    for (const collective kind : both) {
        CHECK_THROWS_WITH_AS(
            pack(apart, kind, 0),
            (std::string(to_string(kind)) + ": some of the 3 ranks have no tree of hops that spans the others").c_str(),
            plan_error);
        const packing alone = pack(boxes::fabric_of(boxes::dgx1v(), {5}), kind, 0);
        CHECK(alone.trees.empty());
        CHECK_NOTHROW(verify(make_schedule(alone)));
    }
}

TEST_CASE("a packing that favours a root is refused") {
    const fabric f = make_fabric(boxes::star(4, 2));
    packing p = pack(f, collective::allgather, 0);
    p.trees[2].GBps *= 1 - 1e-6;
    p.GBps = 0;
    for (const packed_tree& t : p.trees) { p.GBps += t.GBps; }
    CHECK_THROWS_AS(check(p, f), plan_error);
}
