// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/fabric.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <vector>

using namespace blink;

namespace {

bool is_over(const fabric& f, const arc& a, link_kind kind) {
    return std::ranges::all_of(a.route, [&](int l) { return f.links[static_cast<std::size_t>(l)].kind == kind; });
}

/// Each route must lead from the arc's start to its end without a gap, and through no other rank.
void check_routes(const fabric& f) {
    for (const arc& a : f.arcs) {
        int at = a.from;
        for (const int index : a.route) {
            const link& l = f.links.at(static_cast<std::size_t>(index));
            CHECK(l.from == at);
            CHECK((at == a.from || at >= f.ranks));
            at = l.to;
        }
        CHECK(at == a.to);
        CHECK_FALSE(a.route.empty());
    }
}

/// Subsets of 3 to 8 GPUs that NVLink joins.
int joined_subsets(const topology& machine, int& all) {
    int joined = 0;
    for (unsigned mask = 0; mask < 256; ++mask) {
        std::vector<int> ranks;
        for (int g = 0; g < 8; ++g) {
            if ((mask >> g & 1U) != 0) { ranks.push_back(g); }
        }
        if (ranks.size() < 3) { continue; }
        ++all;
        try {
            (void)make_fabric(induced(machine, ranks), link_choice::nvlink);
            ++joined;
        } catch (const plan_error&) {}
    }
    return joined;
}

} // namespace

TEST_CASE("the hops of a DGX-1V are its pairs of GPUs with NVLink") {
    const fabric f = make_fabric(topology{dgx1v});
    CHECK(f.ranks == 8);
    CHECK(f.arcs.size() == 32);
    check_routes(f);
    int wide = 0;
    for (const arc& a : f.arcs) {
        CHECK(a.route.size() == 1);
        CHECK(is_over(f, a, link_kind::nvlink));
        wide += hop_GBps(f, a) == 50 ? 1 : 0;
    }
    CHECK(wide == 16);
}

TEST_CASE("a hop crosses the NVSwitch between any two GPUs") {
    const fabric f = make_fabric(topology{dgx2});
    CHECK(f.arcs.size() == 16 * 15);
    check_routes(f);
    for (const arc& a : f.arcs) {
        CHECK(a.route.size() == 2);
        CHECK(hop_GBps(f, a) == 150);
    }
}

TEST_CASE("GPUs without NVLink between them are served over PCIe") {
    const fabric f = make_fabric(induced(dgx1p, std::vector{1, 4}));
    REQUIRE(f.arcs.size() == 2);
    check_routes(f);
    for (const arc& a : f.arcs) {
        CHECK(is_over(f, a, link_kind::pcie));
        CHECK(a.route.size() == 5); // GPU, switch, socket, socket, switch, GPU
        CHECK(hop_GBps(f, a) == detail::broadwell_socket_GBps);
    }
}

TEST_CASE("NVLink alone is kept to when it is asked for, and the missing rank is named") {
    const topology g = induced(dgx1p, std::vector{1, 4});
    CHECK_THROWS_WITH_AS((void)make_fabric(g, link_choice::nvlink),
                         "dgx1p: no path between rank 0 and rank 1 over the links that may be used", plan_error);
}

TEST_CASE("GPUs that nothing joins are named") {
    topology g{"apart", 4};
    g.connect({0, 2, 25});
    CHECK_THROWS_WITH_AS((void)make_fabric(g),
                         "apart: no path between rank 0 and ranks 1, 3 over the links that may be used", plan_error);
    topology one_way{"one way", 2};
    one_way.add_link({0, 1, 25});
    CHECK_THROWS_AS((void)make_fabric(one_way), plan_error);
}

TEST_CASE("all links together offer both sorts of hops") {
    const fabric f = make_fabric(topology{dgx1v}, link_choice::all);
    check_routes(f);
    const auto over_pcie = std::ranges::count_if(f.arcs, [&](const arc& a) { return is_over(f, a, link_kind::pcie); });
    CHECK(over_pcie == 56);
    CHECK(f.arcs.size() == 32 + 56);
}

TEST_CASE("PCIe alone joins all GPUs of every machine that has a PCIe tree") {
    for (const char* name : {"dgx1p", "dgx1v", "p3_8xlarge", "dgx2", "dgx_a100", "hgx_h100", "hgx_h200_2", "pcie4"}) {
        CAPTURE(name);
        const topology g = machine_named(name);
        const fabric f = make_fabric(g, link_choice::pcie);
        CHECK(f.arcs.size() == static_cast<std::size_t>(g.gpu_count() * (g.gpu_count() - 1)));
        check_routes(f);
    }
}

TEST_CASE("parallel wires are a hop each") {
    topology g{"two wires", 2};
    g.connect({0, 1, 25});
    g.connect({0, 1, 10});
    const fabric f = make_fabric(g);
    CHECK(f.arcs.size() == 4);
    check_routes(f);
}

TEST_CASE("a hop may be added over any way through switches, and over nothing else") {
    topology g{"two switches", 3, std::vector<vertex_kind>(2, vertex_kind::nvswitch)};
    for (int v = 0; v < 3; ++v) {
        g.connect({v, 3, 25});
        g.connect({v, 4, 25});
    }
    fabric f = make_fabric(g);
    const auto link_between = [&](int from, int to) {
        const auto at = std::ranges::find_if(f.links, [&](const link& l) { return l.from == from && l.to == to; });
        return static_cast<int>(at - f.links.begin());
    };
    add_hop(f, {0, 1, {link_between(0, 4), link_between(4, 1)}});
    CHECK(f.arcs.size() == 7);
    check_routes(f);
    CHECK_THROWS_AS(add_hop(f, {0, 1, {link_between(0, 4), link_between(4, 2)}}), plan_error);
    CHECK_THROWS_AS(add_hop(f, {0, 1, {link_between(0, 3), link_between(4, 1)}}), plan_error);
    CHECK_THROWS_AS(add_hop(f, {0, 1, {99}}), plan_error);
    CHECK_THROWS_AS(add_hop(f, {0, 3, {link_between(0, 3)}}), plan_error);
    const std::vector<int> over_a_rank{link_between(0, 3), link_between(3, 2), link_between(2, 4), link_between(4, 1)};
    CHECK_THROWS_AS(add_hop(f, {0, 1, over_a_rank}), plan_error);
}

TEST_CASE("a single rank needs no hops") { CHECK(make_fabric(induced(dgx1v, std::vector{5})).arcs.empty()); }

TEST_CASE("NVLink joins 181 of the 219 subsets of three to eight GPUs of a DGX-1") {
    int all = 0;
    CHECK(joined_subsets(topology{dgx1v}, all) == 181);
    CHECK(all == 219);
    CHECK(joined_subsets(topology{dgx1p}, all) == 181);
}
