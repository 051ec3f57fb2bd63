// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/topology.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using namespace blink;

static_assert(capacity_graph<topology>);
static_assert(capacity_graph<static_topology<2, 1, 4>>);
static_assert(!capacity_graph<int>);

namespace {

topology pair_of_gpus() {
    topology g{"pair", 2, {vertex_kind::host}};
    g.connect({0, 1, 50, 2, link_kind::nvlink, 0});
    return g;
}

} // namespace

TEST_CASE("a full-duplex wire is two links") {
    const topology g = pair_of_gpus();
    REQUIRE(g.links().size() == 2);
    CHECK(g.links()[0] == link{0, 1, 50, 2, link_kind::nvlink, 0});
    CHECK(g.links()[1] == link{1, 0, 50, 2, link_kind::nvlink, 0});
    CHECK(g.kind_of(1) == vertex_kind::gpu);
    CHECK(g.kind_of(2) == vertex_kind::host);
}

TEST_CASE("a link that cannot be is refused by name") {
    topology g = pair_of_gpus();
    CHECK_THROWS_WITH_AS(g.add_link({0, 3, 25}), "pair: link 0 -> 3 names a vertex outside 0..2", topology_error);
    CHECK_THROWS_WITH_AS(g.add_link({1, 1, 25}), "pair: link 1 -> 1 joins a vertex to itself", topology_error);
    CHECK_THROWS_AS(g.add_link({-1, 1, 25}), topology_error);
    CHECK_THROWS_AS(g.add_link({0, 1, 0}), topology_error);
    CHECK_THROWS_AS(g.add_link({0, 1, -5}), topology_error);
    CHECK_THROWS_AS(g.add_link({0, 1, std::numeric_limits<double>::quiet_NaN()}), topology_error);
    CHECK_THROWS_AS(g.add_link({0, 1, std::numeric_limits<double>::infinity()}), topology_error);
    CHECK_THROWS_AS(g.add_link({0, 1, 25, 0}), topology_error);
    CHECK(g == pair_of_gpus());
}

TEST_CASE("a topology needs a GPU") {
    CHECK_THROWS_AS((topology{"empty", 0}), topology_error);
    CHECK_THROWS_AS((topology{"negative", -1}), topology_error);
}

TEST_CASE("a constexpr machine and its run-time copy are the same graph") {
    const topology g{dgx1v};
    CHECK(g.name() == dgx1v.name());
    CHECK(g.vertex_count() == dgx1v.vertex_count());
    CHECK(std::ranges::equal(g.links(), dgx1v.links()));
    for (int v = 0; v < g.vertex_count(); ++v) { CHECK(g.kind_of(v) == dgx1v.kind_of(v)); }
}

TEST_CASE("the induced graph numbers ranks as they are given and keeps the switches") {
    const std::vector<int> ranks{4, 0, 7};
    const topology g = induced(dgx1v, ranks);
    CHECK(g.gpu_count() == 3);
    CHECK(g.vertex_count() == 3 + 6);
    CHECK(g.kind_of(3) == vertex_kind::pcie_switch);
    CHECK(g.kind_of(8) == vertex_kind::host);
    double between_0_and_1 = 0;
    int nvlinks = 0;
    for (const link& l : g.links()) {
        if (l.kind != link_kind::nvlink) { continue; }
        ++nvlinks;
        if (l.from == 0 && l.to == 1) { between_0_and_1 += l.GBps; }
    }
    CHECK(between_0_and_1 == 50); // GPUs 4 and 0
    CHECK(nvlinks == 4);          // 4-0 and 4-7, each way
}

TEST_CASE("ranks that cannot be are refused by name") {
    CHECK_THROWS_WITH_AS((void)induced(dgx1v, std::vector{0, 8}), "dgx1v: rank 8 is none of its GPUs 0..7",
                         usage_error);
    CHECK_THROWS_WITH_AS((void)induced(dgx1v, std::vector{1, 2, 1}), "dgx1v: rank 1 is given twice", usage_error);
    CHECK_THROWS_WITH_AS((void)induced(dgx1v, std::vector<int>{}), "dgx1v: no ranks were given", usage_error);
    CHECK_THROWS_AS((void)induced(dgx1v, std::vector{-1}), usage_error);
}
