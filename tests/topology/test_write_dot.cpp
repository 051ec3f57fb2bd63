// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/write_dot.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace blink;

TEST_CASE("a machine with a tree is a digraph of its links and the tree's edges") {
    topology g{"a \"box\"", 2, {vertex_kind::nvswitch}};
    g.connect({0, 2, 50, 2, link_kind::nvlink, 0});
    g.add_link({2, 1, 10, 1, link_kind::pcie, 0});
    const std::vector<drawn_tree> trees{{"tree 1", 12.5, 0, {{0, 1}}}};
    CHECK(write_dot(g, trees) == R"(digraph "a \"box\"" {
  node [shape=circle];
  v0 [label="GPU 0"];
  v1 [label="GPU 1"];
  v2 [label="nvswitch", shape=box];
  v0 -> v2 [label="2 x 25", style=solid, color=gray50, fontcolor=gray50, dir=none];
  v2 -> v1 [label="10", style=dashed, color=gray50, fontcolor=gray50];
  v0 -> v1 [label="tree 1: 12.5", color="#0072b2", fontcolor="#0072b2", penwidth=2];
}
)");
}

TEST_CASE("each full-duplex link is drawn once") {
    const std::string text = write_dot(dgx1v);
    std::size_t arrows = 0;
    for (std::size_t at = text.find("->"); at != std::string::npos; at = text.find("->", at + 1)) { ++arrows; }
    CHECK(arrows == dgx1v.links().size() / 2);
}

TEST_CASE("a tree over GPUs that are not there is refused by name") {
    const std::vector<drawn_tree> trees{{"tree 1", 1, 0, {{0, 8}}}};
    CHECK_THROWS_WITH_AS((void)write_dot(dgx1v, trees), "dgx1v: tree 'tree 1' names GPU 8, which is none of 0..7",
                         usage_error);
}
