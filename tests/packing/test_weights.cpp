// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/bound.hpp>
#include <blink/packing/linear.hpp>
#include <blink/packing/lookahead.hpp>
#include <blink/packing/weights.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <set>

#include "machines.hpp"

using namespace blink;

namespace {

template <class Packed>
double fullest(const hop_graph& g, const Packed& p) {
    Eigen::ArrayXd load = Eigen::ArrayXd::Zero(g.capacity.size());
    for (std::size_t i = 0; i < p.trees.size(); ++i) {
        for (const auto& [l, times] : g.load(p.trees[i])) { load[l] += p.GBps[i] * times; }
    }
    return (load / g.capacity).maxCoeff();
}

} // namespace

TEST_CASE("the weights come within epsilon of the best rate and keep the links' capacities") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        for (const topology& box : {boxes::dgx1v(), boxes::dgx1p(), boxes::pcie_tree(3)}) {
            const fabric f = make_fabric(box);
            const hop_graph g = make_hop_graph(f, kind, 0);
            const double best = best_fractional_packing(g).total;
            for (const double epsilon : {0.3, 0.1}) {
                const weighted_trees w = multiplicative_weights(g, epsilon, best);
                CHECK(w.report.GBps >= (1 - epsilon) * best * (1 - 1e-9));
                CHECK(w.report.GBps <= best * (1 + 1e-9));
                CHECK(fullest(g, w) <= 1 + 1e-9);
                CHECK(w.report.candidates == static_cast<int>(w.trees.size()));
                CHECK(std::set<hop_tree>(w.trees.begin(), w.trees.end()).size() == w.trees.size());
            }
        }
    }
}

TEST_CASE("without a rate to stop at the weights end by themselves, closer") {
    const hop_graph g = make_hop_graph(make_fabric(boxes::dgx1v()), collective::broadcast, 0);
    const weighted_trees early = multiplicative_weights(g, 0.1, 150);
    const weighted_trees late = multiplicative_weights(g, 0.1, std::numeric_limits<double>::infinity());
    MESSAGE("8-GPU DGX-1V, root 0, epsilon 0.1: " << early.report.candidates << " candidates after "
                                                  << early.report.iterations << " steps (" << early.report.GBps
                                                  << " GB/s), " << late.report.candidates << " after "
                                                  << late.report.iterations << " (" << late.report.GBps << " GB/s)");
    CHECK(late.report.iterations > early.report.iterations);
    CHECK(late.report.GBps > 0.98 * 150);
}

TEST_CASE("the linear programme reaches the bound exactly on direct links") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        const fabric f = make_fabric(boxes::random_direct(3 + static_cast<int>(seed % 4), seed, true));
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            const hop_graph g = make_hop_graph(f, kind, 0);
            const fractional_packing p = best_fractional_packing(g);
            CHECK(p.optimal);
            CHECK(fullest(g, p) <= 1 + 1e-9);
            CHECK(p.total == doctest::Approx(lookahead(g).limit(g.capacity)).epsilon(1e-7));
        }
    }
}

TEST_CASE("the linear programme reaches the bound of a PCIe tree") {
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const fabric f = make_fabric(boxes::pcie_tree(4));
        const fractional_packing p = best_fractional_packing(make_hop_graph(f, kind, 0));
        CHECK(p.total == doctest::Approx(bound(f, kind, 0).GBps).epsilon(1e-7));
    }
}
