// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/max_flow.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using blink::flow_network;

TEST_CASE("a flow is limited by its narrowest cut, and the cut is named") {
    flow_network net(4);
    net.add(0, 1, 3);
    net.add(0, 2, 2);
    net.add(1, 2, 5);
    net.add(1, 3, 2);
    net.add(2, 3, 2.5);
    CHECK(net.solve(0, 3) == doctest::Approx(4.5));
    CHECK(net.source_side() == std::vector<bool>{true, true, true, false});
    CHECK(net.solve(3, 0) == 0);
}

TEST_CASE("flow follows a changed capacity, and stops early once there is enough") {
    flow_network net(3);
    net.add(0, 1, 10);
    net.add(1, 2, 10);
    net.add(0, 2, 10);
    CHECK(net.solve(0, 2) == doctest::Approx(20));
    CHECK(net.solve(0, 2, 5) == doctest::Approx(10));
    net.set(2, 1);
    CHECK(net.solve(0, 2) == doctest::Approx(11));
}

TEST_CASE("maximum flow equals the smallest of all cuts on random graphs") {
    std::mt19937 dice(7);
    for (int round = 0; round < 200; ++round) {
        const int n = 3 + static_cast<int>(dice() % 3);
        struct edge {
            int from, to;
            double forward, backward;
        };
        std::vector<edge> edges;
        flow_network net(n);
        for (int u = 0; u < n; ++u) {
            for (int v = u + 1; v < n; ++v) {
                const edge e{u, v, 0.5 * static_cast<double>(dice() % 7), 0.5 * static_cast<double>(dice() % 7)};
                edges.push_back(e);
                net.add(e.from, e.to, e.forward, e.backward);
            }
        }
        double least = 1e9;
        for (int set = 0; set < 1 << n; ++set) {
            const auto in = [&](int v) { return (set >> v & 1) != 0; };
            if (!in(0) || in(n - 1)) { continue; }
            double cut = 0;
            for (const edge& e : edges) {
                if (in(e.from) && !in(e.to)) { cut += e.forward; }
                if (in(e.to) && !in(e.from)) { cut += e.backward; }
            }
            least = std::min(least, cut);
        }
        CHECK(net.solve(0, n - 1) == doctest::Approx(least));
    }
}
