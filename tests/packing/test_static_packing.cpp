// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/bound.hpp>
#include <blink/packing/check.hpp>
#include <blink/packing/static_packing.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

/// What the wires of a machine carry straight from one GPU to another, in GB/s.
template <capacity_graph G>
constexpr double wire(const G& machine, int from, int to) {
    double GBps = 0;
    for (const blink::link& l : machine.links()) {
        if (l.from == from && l.to == to && l.kind == link_kind::nvlink) { GBps += l.GBps; }
    }
    return GBps;
}

/// Every tree reaches every rank, and no wire carries more than it can: counted from parents and wires alone.
template <class Packing, const auto& Machine>
constexpr bool sound(const static_trees<Packing::ranks>& packed) {
    constexpr int N = Packing::ranks;
    const auto& gpus = Packing::gpus;
    std::array<std::array<double, N>, N> load{};
    double sum = 0;
    for (int t = 0; t < packed.count; ++t) {
        const auto& tree = packed.trees[static_cast<std::size_t>(t)];
        const double rate = tree.units * packed.unit_GBps;
        for (int v = 0; v < N; ++v) {
            int at = v;
            for (int hops = 0; hops < N && at != tree.root; ++hops) { at = tree.parent[static_cast<std::size_t>(at)]; }
            const int parent = tree.parent[static_cast<std::size_t>(v)];
            if (at != tree.root || (parent == -1) != (v == tree.root)) { return false; }
            if (parent == -1) { continue; }
            load[static_cast<std::size_t>(parent)][static_cast<std::size_t>(v)] += rate;
            if (packed.kind == collective::allreduce) {
                load[static_cast<std::size_t>(v)][static_cast<std::size_t>(parent)] += rate;
            }
        }
        sum += rate;
    }
    for (std::size_t u = 0; u < N; ++u) {
        for (std::size_t v = 0; v < N; ++v) {
            if (load[u][v] > wire(Machine, gpus[u], gpus[v]) + 1e-9) { return false; }
        }
    }
    return sum > packed.GBps() - 1e-9 && sum < packed.GBps() + 1e-9;
}

using quad = static_packing<dgx1v, 0, 1, 2, 3>;
using whole = static_packing<dgx1v, 0, 1, 2, 3, 4, 5, 6, 7>;
using whole_p100 = static_packing<dgx1p, 0, 1, 2, 3, 4, 5, 6, 7>;
using stray = static_packing<dgx1v, 6, 4, 1, 5, 7>;
using two_gpus = static_packing<dgx1v, 3, 0>;

// Four GPUs: nine links of 25 GB/s, three to a tree.
static_assert(sound<quad, dgx1v>(quad::allreduce));
static_assert(quad::allreduce.GBps() == 75 && quad::allreduce.bound_GBps() == 75);
static_assert(quad::allreduce.hops == 3 && quad::allreduce.crossing == 9);
static_assert(quad::allreduce.count <= 3 && quad::allreduce.depth() <= 3);
static_assert(sound<quad, dgx1v>(quad::broadcast<0>) && sound<quad, dgx1v>(quad::broadcast<2>));
static_assert(quad::broadcast<0>.GBps() == 100 && quad::broadcast<2>.GBps() == 100);

// Eight GPUs: 24 links of 25 GB/s, seven to a tree; six links leave each GPU.
static_assert(sound<whole, dgx1v>(whole::allreduce));
static_assert(7 * whole::allreduce.units * whole::allreduce.unit_GBps > 600 - 1e-9 && whole::allreduce.GBps() > 85.714);
static_assert(whole::allreduce.units * whole::allreduce.hops == whole::allreduce.crossing);
static_assert(whole::allreduce.part == std::array{0, 1, 2, 3, 4, 5, 6, 7});
static_assert(sound<whole, dgx1v>(whole::broadcast<0>) && whole::broadcast<0>.GBps() == 150);
static_assert(whole::broadcast<0>.unit_GBps == 25 && whole::broadcast<0>.units == 6);
static_assert(sound<whole_p100, dgx1p>(whole_p100::broadcast<7>) && whole_p100::broadcast<7>.GBps() == 80);
static_assert(sound<whole_p100, dgx1p>(whole_p100::allreduce) && whole_p100::allreduce.GBps() > 45.714);

// GPU 1 hangs on 5 by two links; ranks are numbered as they are given.
static_assert(sound<stray, dgx1v>(stray::allreduce) && stray::allreduce.GBps() == 50);
static_assert(sound<two_gpus, dgx1v>(two_gpus::allreduce) && two_gpus::allreduce.GBps() == 50 &&
              two_gpus::allreduce.count == 1);

// Links of three widths: their unit is the narrowest.
using dies = static_packing<mi250, 0, 1, 4, 5, 6, 7, 2, 3>;
static_assert(sound<dies, mi250>(dies::allreduce) && dies::links.unit_GBps == 50);
static_assert(dies::allreduce.units * dies::allreduce.hops == dies::allreduce.crossing);
static_assert(compiled_packing<quad> && !compiled_packing<int> && !compiled_packing<static_trees<4>>);

/// The direct links of a fabric in whole lanes.
template <int N>
static_graph<N> graph_of(const fabric& f, double lane_GBps) {
    static_graph<N> g{.unit_GBps = lane_GBps};
    for (const blink::link& l : f.links) {
        g.capacity[static_cast<std::size_t>(l.from)][static_cast<std::size_t>(l.to)] +=
            static_cast<int>(std::lround(l.GBps / lane_GBps));
    }
    return g;
}

/// Calls `use` with an integral constant of the number of ranks.
template <class Use>
void with_ranks(int ranks, const Use& use) {
    const auto try_one = [&]<int N>(std::integral_constant<int, N> n) {
        if (N == ranks) { use(n); }
    };
    [&]<int... I>(std::integer_sequence<int, I...>) { (try_one(std::integral_constant<int, I + 2>{}), ...); }
    (std::make_integer_sequence<int, most_static_ranks - 1>{});
}

void check_fragments(const topology& box, double lane, const std::vector<boxes::fragment>& fragments) {
    for (const boxes::fragment& part : fragments) {
        const std::string label = boxes::label(box.name(), part.gpus);
        CAPTURE(label);
        const fabric f = boxes::fabric_of(box, part.gpus);
        with_ranks(f.ranks, [&](auto n) {
            const auto g = graph_of<n()>(f, lane);
            const static_trees<n()> all = detail::static_allreduce<n()>(g);
            check(to_packing(all, f), f);
            CHECK(all.GBps() * part.of == doctest::Approx(lane * part.allreduce));
            CHECK(all.units * all.hops == all.crossing);
            for (int root = 0; root < f.ranks; ++root) {
                const static_trees<n()> out = detail::static_broadcast<n()>(g, root);
                check(to_packing(out, f), f);
                CHECK(out.units == part.broadcast);
                CHECK(out.crossing == part.broadcast);
            }
        });
    }
}

} // namespace

TEST_CASE("every fragment of a DGX-1 is packed up to the bound that is known of it") {
    check_fragments(boxes::dgx1v(), boxes::dgx1v_lane, boxes::dgx1v_fragments);
    check_fragments(boxes::dgx1p(), boxes::dgx1p_lane, boxes::dgx1p_fragments);
}

TEST_CASE("random machines are packed up to the bounds that the planner finds") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const int ranks = 2 + static_cast<int>(seed % 7);
        for (const bool one_way : {false, true}) {
            CAPTURE(seed);
            CAPTURE(one_way);
            if (ranks < 3 && one_way) { continue; }
            const fabric f = make_fabric(boxes::random_direct(ranks, seed, one_way));
            with_ranks(ranks, [&](auto n) {
                const auto g = graph_of<n()>(f, 10);
                const int root = static_cast<int>(seed) % ranks;
                const packing out = to_packing(detail::static_broadcast<n()>(g, root), f);
                check(out, f);
                CHECK(out.GBps == doctest::Approx(rooted_bound(f, collective::broadcast, root).GBps));
                CHECK(out.GBps == doctest::Approx(out.bound.GBps));
                if (one_way) { return; }
                const packing all = to_packing(detail::static_allreduce<n()>(g), f);
                check(all, f);
                CHECK(all.GBps == doctest::Approx(allreduce_bound(f).GBps));
            });
        }
    }
}

TEST_CASE("the certificate of a compiled packing is a cut or partition that gives its bound") {
    const fabric f = make_fabric(induced(dgx1v, std::array{6, 4, 1, 5, 7}));
    const packing p = to_packing(stray::allreduce, f);
    check(p, f);
    detail::partition_search search(f);
    CHECK(search.value(p.bound.parts) == doctest::Approx(p.bound.GBps));
    const packing out = to_packing(stray::broadcast<2>, f);
    check(out, f);
    REQUIRE(out.bound.parts.size() == 2);
    CHECK(std::ranges::find(out.bound.parts[0], 2) != out.bound.parts[0].end());
    double crossing = 0;
    for (const blink::link& l : f.links) {
        const auto in = [&](int v) { return std::ranges::find(out.bound.parts[1], v) != out.bound.parts[1].end(); };
        if (!in(l.from) && in(l.to)) { crossing += l.GBps; }
    }
    CHECK(crossing == doctest::Approx(out.GBps));
}

TEST_CASE("a packing that breaks its promise is noticed") {
    static_trees<4> broken = quad::allreduce;
    CHECK(keeps_its_promise(broken, quad::links));
    SUBCASE("a link carries too much") { broken.trees[0].units += 1; }
    SUBCASE("a tree goes round in a circle") { broken.trees[0].parent = {1, 2, 0, -1}; }
    SUBCASE("the rate is not the sum") { broken.units -= 1; }
    SUBCASE("the bound is below the rate") { broken.crossing -= 1; }
    CHECK_FALSE(keeps_its_promise(broken, quad::links));
}

TEST_CASE("trees over hops that a machine lacks are refused") {
    const fabric other = make_fabric(induced(dgx1v, std::array{0, 3, 2, 4}));
    CHECK_THROWS_AS((void)to_packing(quad::allreduce, other), plan_error);
}
