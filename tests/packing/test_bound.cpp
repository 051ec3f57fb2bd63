// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/bound.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "machines.hpp"

using namespace blink;

namespace {

/// Calls `visit(parts)` with every partition of 0 .. n-1 into two parts or more.
template <class Visit>
void each_partition(int n, Visit visit) {
    std::vector<std::vector<int>> parts;
    const auto place = [&](const auto& self, int v) -> void {
        if (v == n) {
            if (parts.size() > 1) { visit(parts); }
            return;
        }
        for (std::size_t i = 0; i < parts.size(); ++i) {
            parts[i].push_back(v);
            self(self, v + 1);
            parts[i].pop_back();
        }
        parts.push_back({v});
        self(self, v + 1);
        parts.pop_back();
    };
    place(place, 0);
}

/// What direct links carry into `part`, or out of it.
double carried(const fabric& f, const std::vector<int>& part, bool into) {
    const auto inside = [&](int v) { return std::find(part.begin(), part.end(), v) != part.end(); };
    double sum = 0;
    for (const blink::link& l : f.links) {
        if (into ? inside(l.to) && !inside(l.from) : inside(l.from) && !inside(l.to)) { sum += l.GBps; }
    }
    return sum;
}

} // namespace

TEST_CASE("the bounds of all DGX-1 fragments are the known ones") {
    const auto check_all = [](const topology& box, const std::vector<boxes::fragment>& fragments, double lane) {
        for (const boxes::fragment& x : fragments) {
            CAPTURE(boxes::label(box.name(), x.gpus));
            const fabric f = boxes::fabric_of(box, x.gpus);
            for (int root = 0; root < f.ranks; ++root) {
                CHECK(bound(f, collective::broadcast, root).GBps == doctest::Approx(x.broadcast * lane).epsilon(1e-12));
                CHECK(bound(f, collective::reduce, root).GBps == doctest::Approx(x.broadcast * lane).epsilon(1e-12));
            }
            CHECK(bound(f, collective::allreduce, 0).GBps == doctest::Approx(lane * x.allreduce / x.of).epsilon(1e-9));
        }
    };
    CHECK(boxes::dgx1v_fragments.size() == 46);
    CHECK(boxes::dgx1p_fragments.size() == 14);
    check_all(boxes::dgx1v(), boxes::dgx1v_fragments, boxes::dgx1v_lane);
    check_all(boxes::dgx1p(), boxes::dgx1p_fragments, boxes::dgx1p_lane);
}

TEST_CASE("the bound of a rooted collective is the smallest of all cuts, and its certificate is that cut") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 3), seed, true));
        const int root = static_cast<int>(seed) % f.ranks;
        for (const bool out : {true, false}) {
            double least = std::numeric_limits<double>::infinity();
            each_partition(f.ranks, [&](const std::vector<std::vector<int>>& parts) {
                if (parts.size() != 2) { return; }
                const auto& first = parts.front();
                const bool has_root = std::find(first.begin(), first.end(), root) != first.end();
                least = std::min(least, carried(f, has_root ? first : parts.back(), !out));
            });
            const certificate c = bound(f, out ? collective::broadcast : collective::reduce, root);
            CHECK(c.GBps == doctest::Approx(least));
            REQUIRE(c.parts.size() == 2);
            CHECK(std::find(c.parts[0].begin(), c.parts[0].end(), root) != c.parts[0].end());
            CHECK(carried(f, c.parts[0], !out) == doctest::Approx(c.GBps));
        }
    }
}

TEST_CASE("the bound of an allreduce is the smallest of all partitions, and its certificate is that partition") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 3), seed, seed % 2 == 0));
        const auto value = [&](const std::vector<std::vector<int>>& parts) {
            double sum = 0;
            for (const auto& part : parts) { sum += carried(f, part, true); }
            const double v = sum / (2.0 * static_cast<double>(parts.size() - 1));
            return parts.size() > 2 ? v : std::min({v, carried(f, parts[0], true), carried(f, parts[0], false)});
        };
        double least = std::numeric_limits<double>::infinity();
        each_partition(f.ranks, [&](const auto& parts) { least = std::min(least, value(parts)); });
        const certificate c = bound(f, collective::allreduce, 0);
        CHECK(c.GBps == doctest::Approx(least));
        CHECK(value(c.parts) == doctest::Approx(c.GBps));
    }
}

TEST_CASE("a weakest partition of an unconnected graph carries nothing") {
    Eigen::MatrixXd capacity = Eigen::MatrixXd::Zero(4, 4);
    capacity(0, 1) = capacity(1, 0) = 5;
    capacity(2, 3) = capacity(3, 2) = 7;
    const weak_partition p = weakest_partition(capacity);
    CHECK(p.ratio == doctest::Approx(0));
    CHECK(p.parts == std::vector<std::vector<int>>{{0, 1}, {2, 3}});
}

TEST_CASE("behind one switch the ranks alone bound an allreduce") {
    const fabric f = make_fabric(boxes::star(16, 6));
    const certificate c = bound(f, collective::allreduce, 0);
    CHECK(c.GBps == doctest::Approx(80));
    CHECK(c.parts.size() == 16);
    CHECK(bound(f, collective::broadcast, 3).GBps == doctest::Approx(150));
    CHECK(bound(f, collective::broadcast, 3).parts.front() == std::vector<int>{3});
}

TEST_CASE("a PCIe tree carries a chain through its switches") {
    const fabric f = make_fabric(boxes::pcie_tree(4));
    CHECK(bound(f, collective::allreduce, 0).GBps == doctest::Approx(12.0 * 8 / 14));
    CHECK(bound(f, collective::broadcast, 0).GBps == doctest::Approx(12));
}
