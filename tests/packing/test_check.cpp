// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "machines.hpp"

using namespace blink;

namespace {

/// What `check` says of a good packing after `breakage`.
std::string complaint(collective kind, const std::function<void(packing&)>& breakage) {
    const fabric f = make_fabric(boxes::dgx1v());
    packing p = pack(f, kind, 0);
    check(p, f);
    breakage(p);
    try {
        check(p, f);
    } catch (const plan_error& e) { return e.what(); }
    return "accepted";
}

void expect(collective kind, const std::string& words, const std::function<void(packing&)>& breakage) {
    const std::string said = complaint(kind, breakage);
    CAPTURE(said);
    CAPTURE(words);
    CHECK(said.find(words) != std::string::npos);
}

} // namespace

TEST_CASE("a tree that is no spanning tree over the hops is refused by its number") {
    using enum collective;
    expect(broadcast, "there is no tree", [](packing& p) { p.trees.clear(); });
    expect(broadcast, "the fabric has 8", [](packing& p) { p.ranks = 7; });
    expect(broadcast, "tree 1: it does not reach rank", [](packing& p) { p.trees[1].edges.pop_back(); });
    expect(broadcast, "reaches a rank twice", [](packing& p) { p.trees[0].edges.push_back(p.trees[0].edges.back()); });
    expect(broadcast, "tree 2: the edge",
           [](packing& p) { std::swap(p.trees[2].edges.front(), p.trees[2].edges.back()); });
    expect(broadcast, "not 0", [](packing& p) { p.trees[0].root = 1; });
    expect(allreduce, "is no rank", [](packing& p) { p.trees[0].root = 8; });
    expect(broadcast, "a rank that is not there", [](packing& p) { p.trees[0].edges[0].child = 8; });
}

TEST_CASE("an edge whose hops are missing, wrong or needless is refused") {
    using enum collective;
    expect(broadcast, "has no hop down", [](packing& p) { p.trees[0].edges[0].down = -1; });
    expect(broadcast, "has no hop down", [](packing& p) { p.trees[0].edges[0].down = 1000; });
    expect(broadcast, "up that no data use", [](packing& p) { p.trees[0].edges[0].up = 3; });
    expect(reduce, "down that no data use", [](packing& p) { p.trees[0].edges[0].down = 3; });
    expect(reduce, "has no hop up", [](packing& p) { p.trees[0].edges[0].up = -1; });
    expect(allreduce, "leads", [](packing& p) { std::swap(p.trees[0].edges[0].up, p.trees[0].edges[0].down); });
}

TEST_CASE("rates that the links, the sum or the bound do not bear out are refused") {
    using enum collective;
    expect(broadcast, "its rate is 0", [](packing& p) { p.trees[0].GBps = 0; });
    expect(broadcast, "its rate is", [](packing& p) { p.trees[0].GBps = std::numeric_limits<double>::quiet_NaN(); });
    expect(broadcast, "the trees load it with", [](packing& p) {
        p.trees.push_back(p.trees[0]);
        p.GBps += p.trees[0].GBps;
    });
    expect(broadcast, "promised are", [](packing& p) { p.GBps -= 1; });
    expect(broadcast, "above the bound", [](packing& p) { p.bound.GBps -= 1; });
}

TEST_CASE("a load above the capacity by no more than rounding is accepted") {
    CHECK(complaint(collective::broadcast, [](packing& p) { p.trees[0].GBps *= 1 + 1e-11; }) == "accepted");
}
