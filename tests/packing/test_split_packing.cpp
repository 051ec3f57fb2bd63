// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "machines.hpp"
#include "oracle.hpp"

using namespace blink;

namespace {

/// Every GPU has a wire to each of several NVSwitch chips.
topology chips(int gpus, int count, double GBps) {
    topology box("chips", gpus, std::vector<vertex_kind>(static_cast<std::size_t>(count), vertex_kind::nvswitch));
    for (int v = 0; v < gpus; ++v) {
        for (int c = 0; c < count; ++c) { box.connect({v, gpus + c, GBps, 1}); }
    }
    return box;
}

/// GPUs at leaf switches, each leaf joined to all spine switches.
topology leaves(int count, int at_each, int spines, double down, double up) {
    const int gpus = count * at_each;
    topology net("leaves", gpus,
                 std::vector<vertex_kind>(static_cast<std::size_t>(count + spines), vertex_kind::network_switch));
    for (int l = 0; l < count; ++l) {
        for (int i = 0; i < at_each; ++i) { net.connect({l * at_each + i, gpus + l, down, 1, link_kind::network}); }
        for (int s = 0; s < spines; ++s) { net.connect({gpus + l, gpus + count + s, up, 1, link_kind::network}); }
    }
    return net;
}

constexpr collective all[] = {collective::broadcast, collective::reduce, collective::allreduce, collective::allgather,
                              collective::reduce_scatter};

} // namespace

TEST_CASE("twelve NVSwitch chips carry what one switch of their width does") {
    const topology box = chips(16, 12, 12.5);
    for (const auto& [kind, best] : {std::pair{collective::broadcast, 150.0},
                                     {collective::reduce, 150.0},
                                     {collective::allreduce, 80.0},
                                     {collective::allgather, 160.0},
                                     {collective::reduce_scatter, 160.0}}) {
        fabric f = make_fabric(box);
        const std::size_t own = f.arcs.size();
        CHECK(own == 16 * 15);
        const packing p = pack_on_any_route(f, kind, 3, {.slack = 0});
        CAPTURE(to_string(kind));
        CHECK(oracle::recount(p, f).wrong == "");
        CHECK(p.GBps == doctest::Approx(best).epsilon(1e-6));
        CHECK(f.arcs.size() > own);
    }
    // One hop a pair, over one chip each, is all that the fabric offers by itself.
    CHECK(pack(make_fabric(box), collective::broadcast, 3).GBps < 150);
}

TEST_CASE("trees cross several levels of switches, and those of an allreduce both ways") {
    for (const topology& net : {leaves(4, 2, 2, 25, 25), leaves(3, 3, 2, 25, 12.5), leaves(2, 4, 1, 25, 40)}) {
        for (const collective kind : all) {
            fabric f = make_fabric(net);
            const packing p = pack_on_any_route(f, kind, 1, {.slack = 0});
            CAPTURE(to_string(kind));
            CHECK(oracle::recount(p, f).wrong == "");
            if (kind != collective::allreduce) { CHECK(p.GBps == doctest::Approx(p.bound.GBps).epsilon(1e-6)); }
        }
    }
}

TEST_CASE("a limit on the trees is kept behind several chips too") {
    for (const int most : {8, 16, 24}) {
        fabric f = make_fabric(chips(8, 6, 50));
        const packing p = pack_on_any_route(f, collective::allgather, 0, {.max_trees = most});
        CHECK(static_cast<int>(p.trees.size()) <= most);
        CHECK(p.GBps > 0);
    }
}

TEST_CASE("the same input gives the same trees over the same routes") {
    fabric first = make_fabric(chips(6, 4, 25));
    fabric second = first;
    CHECK(pack_on_any_route(first, collective::allgather, 0) == pack_on_any_route(second, collective::allgather, 0));
    CHECK(first == second);
}

TEST_CASE("links that carry more one way than the other are no way up and down") {
    fabric f = make_fabric(chips(4, 2, 25));
    f.links.front().GBps = 30;
    CHECK(split_allreduce(f, 30, {}).trees.empty());
}
