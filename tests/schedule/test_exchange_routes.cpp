// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/exchange_routes.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

using namespace blink;

namespace {

const auto any_hop = [](int, int) { return true; };

/// Whether a link or a way through switches leads straight.
bool is_hop(const fabric& f, int from, int to) {
    return std::ranges::any_of(f.arcs, [&](const arc& a) { return a.from == from && a.to == to; });
}

} // namespace

TEST_CASE("on a DGX-1V an alltoall goes straight where there is a link, else over one rank between") {
    const fabric f = make_fabric(topology(dgx1v), link_choice::nvlink);
    const exchange e = make_alltoall(8, 1000);
    const auto routes = exchange_routes(e, f, any_hop);
    REQUIRE(routes.size() == 64);
    int straight = 0;
    int forwarded = 0;
    std::map<std::pair<int, int>, int> load;
    for (std::size_t i = 0; i < routes.size(); ++i) {
        const std::vector<int>& route = routes[i];
        CHECK(route.front() == e.transfers[i].from);
        CHECK(route.back() == e.transfers[i].to);
        for (std::size_t k = 0; k + 1 < route.size(); ++k) {
            CHECK(is_hop(f, route[k], route[k + 1]));
            ++load[{route[k], route[k + 1]}];
        }
        straight += route.size() == 2 ? 1 : 0;
        forwarded += route.size() == 3 ? 1 : 0;
    }
    CHECK(straight == 32); // each GPU is joined to four others
    CHECK(forwarded == 24);
    // 32 transfers and 24 detours of two hops load 48 wires 5/3 on average; none is loaded twice that.
    for (const auto& [hop, transfers] : load) {
        double GBps = 0;
        for (const arc& a : f.arcs) { GBps += a.from == hop.first && a.to == hop.second ? hop_GBps(f, a) : 0; }
        CHECK(transfers * 25.0 / GBps <= 3.0);
    }
}

TEST_CASE("behind a switch every transfer is one hop; to itself a rank needs none") {
    const fabric f = make_fabric(topology(dgx2));
    for (const auto& route : exchange_routes(make_alltoall(16, 1), f, any_hop)) {
        CHECK(route.size() == (route.front() == route.back() ? 1 : 2));
    }
}

TEST_CASE("equal detours are spread over the ranks between") {
    topology square("square", 4); // 0 and 3 are apart, 1 and 2 lie between
    for (const int middle : {1, 2}) {
        square.connect({.from = 0, .to = middle, .GBps = 25});
        square.connect({.from = middle, .to = 3, .GBps = 25});
    }
    const fabric f = make_fabric(square);
    const std::vector<transfer> two{{0, 3, 0, 0, 10}, {0, 3, 10, 10, 10}};
    const auto routes = exchange_routes(make_send_recv(4, two), f, any_hop);
    CHECK(routes[0].size() == 3);
    CHECK(routes[0][1] + routes[1][1] == 3);
    // What goes straight counts first, wherever it stands in the list.
    const std::vector<transfer> busy{{0, 3, 0, 0, 10}, {0, 1, 0, 0, 10}};
    CHECK(exchange_routes(make_send_recv(4, busy), f, any_hop)[0] == std::vector<int>{0, 2, 3});
    // A hop that may not be taken is no hop.
    const auto not_over_2 = [](int from, int to) { return from != 2 && to != 2; };
    for (const auto& route : exchange_routes(make_send_recv(4, two), f, not_over_2)) {
        CHECK(route == std::vector<int>{0, 1, 3});
    }
}

TEST_CASE("ranks that cannot reach each other are named") {
    const fabric f = make_fabric(topology(dgx1v), link_choice::nvlink);
    const auto none_to_3 = [](int, int to) { return to != 3; };
    CHECK_THROWS_WITH_AS((void)exchange_routes(make_scatter(8, 6, 5), f, none_to_3),
                         "scatter: rank 6 cannot reach rank 3 over the links that may be used", plan_error);
}
