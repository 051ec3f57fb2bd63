// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/write_svg.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace blink;
namespace svg = blink::detail::svg;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) { ++n; }
    return n;
}

const std::vector<drawn_tree> two_trees{{"tree 1", 25, 0, {{0, 3}, {3, 7}}}, {"tree <2>", 12.5, 7, {{7, 3}}}};

/// Distance of p from the line between a and b.
double distance(svg::point p, svg::point a, svg::point b) {
    const svg::point way = b - a;
    const double along = ((p.x - a.x) * way.x + (p.y - a.y) * way.y) / (svg::length(way) * svg::length(way));
    return svg::length(p - (a + way * std::clamp(along, 0.0, 1.0)));
}

} // namespace

TEST_CASE("every machine is drawn with all its GPUs apart and inside the picture") {
    for (const std::string& name : machine_names()) {
        CAPTURE(name);
        const topology g = machine_named(name);
        for (const link_choice shown : {link_choice::automatic, link_choice::pcie}) {
            const svg::layout l = svg::make_layout(g, shown);
            for (int a = 0; a < g.gpu_count(); ++a) {
                const auto here = l.at[static_cast<std::size_t>(a)];
                REQUIRE(here.has_value());
                CHECK(here->x >= svg::gpu_radius);
                CHECK(here->y >= svg::gpu_radius);
                CHECK(here->x <= l.width - svg::gpu_radius);
                CHECK(here->y <= l.height - svg::gpu_radius);
                for (int b = 0; b < a; ++b) {
                    CHECK(svg::length(*here - *l.at[static_cast<std::size_t>(b)]) > 2 * svg::gpu_radius + 8);
                }
            }
        }
        CHECK(count(write_svg(g), "<circle") == static_cast<std::size_t>(g.gpu_count()));
    }
}

TEST_CASE("no link of the cube-mesh runs through a GPU that it does not join") {
    const svg::layout l = svg::make_layout(dgx1v, link_choice::automatic);
    CHECK(l.kind == svg::style::cube_mesh);
    CHECK(l.links.size() == 16);
    for (const link& wire : l.links) {
        for (int v = 0; v < 8; ++v) {
            if (v == wire.from || v == wire.to) { continue; }
            CHECK(distance(*l.at[static_cast<std::size_t>(v)], *l.at[static_cast<std::size_t>(wire.from)],
                           *l.at[static_cast<std::size_t>(wire.to)]) > svg::gpu_radius + 4);
        }
    }
}

TEST_CASE("machines are placed as they are known") {
    CHECK(svg::make_layout(dgx1p, link_choice::automatic).kind == svg::style::cube_mesh);
    CHECK(svg::make_layout(dgx1p, link_choice::pcie).kind == svg::style::layers);
    CHECK(svg::make_layout(pcie8, link_choice::automatic).kind == svg::style::layers);
    const svg::layout ring = svg::make_layout(dgx2, link_choice::automatic);
    CHECK(ring.kind == svg::style::ring);
    REQUIRE(ring.at[16].has_value());
    CHECK(ring.at[16]->x == doctest::Approx(ring.width / 2)); // the switch in the middle
    CHECK(ring.at[16]->y == doctest::Approx(ring.height / 2));
    CHECK_FALSE(ring.at[17].has_value()); // its PCIe switches are not shown
}

TEST_CASE("switches of a PCIe tree do not overlap") {
    const svg::layout l = svg::make_layout(dgx2, link_choice::pcie);
    for (std::size_t a = 17; a < l.at.size(); ++a) {
        for (std::size_t b = 17; b < a; ++b) {
            const svg::point way = *l.at[a] - *l.at[b];
            CHECK((std::abs(way.y) > 30 || std::abs(way.x) > svg::text_width("PCIe switch", 11) + 20));
        }
    }
}

TEST_CASE("each tree has its colour, its arrows and its line in the legend") {
    const std::string text = write_svg(dgx1v, two_trees);
    CHECK(count(text, "fill=\"#e5534b\"") == 2); // arrow heads
    CHECK(count(text, "fill=\"#3b8eea\"") == 1);
    CHECK(count(text, "tree 1: 25 GB/s, root GPU 0") == 1);
    CHECK(count(text, "tree &lt;2&gt;: 12.5 GB/s, root GPU 7") == 1);
    CHECK(count(text, "stroke-width=\"4\"") > 0); // the faster tree is the wider one
    CHECK(count(text, "stroke-width=\"2\"") > 0);
}

TEST_CASE("the picture of links alone explains the sorts of links") {
    const std::string text = write_svg(dgx1v);
    CHECK(count(text, "nvlink 25 GB/s each way") == 1);
    CHECK(count(text, "nvlink 2 x 25 GB/s each way") == 1);
    CHECK(count(write_svg(dgx1v, {}, link_choice::pcie), "pcie 6 GB/s each way") == 1);
}

TEST_CASE("equal input gives equal pictures, without numbers that are none") {
    for (const std::string& name : machine_names()) {
        const topology g = machine_named(name);
        const std::vector<drawn_tree> trees{{"t", 5, 0, {{0, 1}, {1, 0}, {0, g.gpu_count() - 1}}}};
        const std::string text = write_svg(g, trees);
        CHECK(text == write_svg(g, trees));
        CHECK(text.find("nan") == std::string::npos);
        CHECK(text.find("inf") == std::string::npos);
    }
}

TEST_CASE("a tree over GPUs that are not there is refused") {
    const std::vector<drawn_tree> trees{{"tree 1", 1, 9, {}}};
    CHECK_THROWS_AS((void)write_svg(dgx1v, trees), usage_error);
}

TEST_CASE("a machine of one GPU, and one without links, can be drawn") {
    CHECK(count(write_svg(topology{"alone", 1}), "<circle") == 1);
    CHECK(count(write_svg(topology{"apart", 3}), "<circle") == 3);
}
