// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/write_svg.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <regex>
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

/// Relative luminance of `#rrggbb` (Web Content Accessibility Guidelines 2.1).
double luminance(std::string_view colour) {
    const auto channel = [&](std::size_t at) {
        const double c = std::stoi(std::string(colour.substr(at, 2)), nullptr, 16) / 255.0;
        return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

double contrast(std::string_view a, std::string_view b) {
    const double one = luminance(a) + 0.05;
    const double other = luminance(b) + 0.05;
    return std::max(one, other) / std::min(one, other);
}

/// A star from each GPU to all others.
std::vector<drawn_tree> stars(int gpus) {
    std::vector<drawn_tree> trees;
    for (int root = 0; root < gpus; ++root) {
        drawn_tree t{"tree " + std::to_string(root + 1), 5.0 + root, root, {}};
        for (int v = 0; v < gpus; ++v) {
            if (v != root) { t.edges.emplace_back(root, v); }
        }
        trees.push_back(std::move(t));
    }
    return trees;
}

struct words_box {
    double left, right, top, bottom;
    std::string words;
};

/// Where the texts of a picture lie.
std::vector<words_box> texts(const std::string& picture) {
    const std::regex form("<text x=\"([^\"]*)\" y=\"([^\"]*)\" font-size=\"([^\"]*)\" fill=\"[^\"]*\" "
                          "text-anchor=\"([^\"]*)\"[^>]*>([^<]*)</text>");
    std::vector<words_box> found;
    for (std::sregex_iterator i(picture.begin(), picture.end(), form), end; i != end; ++i) {
        const std::smatch& m = *i;
        const double size = std::stod(m[3]);
        const double width = svg::text_width(m[5].str(), size);
        const double left = std::stod(m[1]) - (m[4] == "middle" ? width / 2 : 0);
        const double base = std::stod(m[2]);
        found.push_back({left, left + width, base - 0.72 * size, base, m[5]});
    }
    return found;
}

void check_texts_apart(const std::string& picture) {
    const std::vector<words_box> boxes = texts(picture);
    REQUIRE_FALSE(boxes.empty());
    for (const words_box& a : boxes) {
        for (const words_box& b : boxes) {
            if (&a == &b) { break; }
            CAPTURE(a.words);
            CAPTURE(b.words);
            CHECK((a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top));
        }
    }
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

TEST_CASE("no text lies over another") {
    for (const char* name : {"dgx1v", "dgx2", "dgx_a100", "mi250", "pcie4", "pcie8", "dgx_a100x2", "hgx_h100x3"}) {
        CAPTURE(name);
        const topology g = machine_named(name);
        check_texts_apart(write_svg(g));
        const std::string picture = write_svg(g, stars(g.gpu_count()), link_choice::automatic, "all to all");
        // What is drawn in every panel is defined once, in the scale of a panel.
        const std::size_t end = picture.rfind("</defs>");
        const bool panels = end != std::string::npos;
        if (panels) { check_texts_apart(picture.substr(picture.find("<defs>"), end - picture.find("<defs>"))); }
        check_texts_apart(panels ? picture.substr(end) : picture);
    }
}

TEST_CASE("text contrasts with what is behind it") {
    CHECK(contrast(svg::dark, svg::paper) > 7);
    CHECK(contrast(svg::ink, svg::paper) > 4.5);
    CHECK(contrast(svg::paper, svg::plate) > 7);
}

TEST_CASE("a hop on direct links goes around GPUs that it does not join") {
    const svg::layout l = svg::make_layout(mi250, link_choice::automatic);
    int bent = 0;
    for (const link& wire : l.links) {
        const double bulge = svg::bulge_around(l, wire.from, wire.to);
        bent += bulge != 0 ? 1 : 0;
        CHECK(bulge == doctest::Approx(svg::bulge_around(l, wire.to, wire.from) * -1));
    }
    CHECK(bent > 0);
    const svg::layout cube = svg::make_layout(dgx1v, link_choice::automatic);
    for (const link& wire : cube.links) { CHECK(svg::bulge_around(cube, wire.from, wire.to) == 0); }
}

TEST_CASE("hops over an NVSwitch bend towards it, so that no direction runs through the GPUs between") {
    const svg::layout l = svg::make_layout(dgx2, link_choice::automatic);
    CHECK(svg::bulge_of_hop(l, 0, 3) > 0); // clockwise: the switch is on the right
    CHECK(svg::bulge_of_hop(l, 3, 0) < 0);
    CHECK(svg::bulge_of_hop(l, 0, 8) == svg::bulge_of_hop(l, 8, 0)); // each passes the switch on its right
    const svg::layout two = svg::make_layout(machine_named("dgx_a100x2"), link_choice::automatic);
    CHECK(svg::bulge_of_hop(two, 0, 8) == 0);
    CHECK(svg::bulge_of_hop(two, 0, 5) < 0); // its NVSwitch is above
    CHECK(svg::bulge_of_hop(two, 8, 13) > 0);
}

TEST_CASE("GPUs on a ring stand beside those that wide links join them to") {
    const svg::layout l = svg::make_layout(mi250, link_choice::automatic);
    for (const link& wire : l.links) {
        if (wire.GBps < 200) { continue; }
        CHECK(svg::length(*l.at[static_cast<std::size_t>(wire.from)] - *l.at[static_cast<std::size_t>(wire.to)]) < 100);
    }
}

TEST_CASE("trees over switches have a panel each, the first six of them") {
    const std::string text = write_svg(dgx2, stars(16), link_choice::automatic, "all to all");
    CHECK(count(text, "<use href=\"#vertices\"/>") == 6);
    CHECK(count(text, "tree 6: 10 GB/s, root GPU 5") == 1);
    CHECK(count(text, "tree 7: ") == 0);
    CHECK(count(text, "and 10 more trees of 11 to 20 GB/s") == 1);
    CHECK(count(text, ">all to all</text>") == 1);
    CHECK(text.size() < 60000);
    CHECK(count(write_svg(dgx_a100, stars(2)), "<use ") == 4);
    CHECK(count(write_svg(dgx_a100, stars(1)), "<use ") == 0); // one tree needs no panels
    CHECK(count(write_svg(dgx1v, two_trees), "<use ") == 0);   // on direct links trees lie side by side
}

TEST_CASE("GPUs that take no part are pale") {
    const std::string text = write_svg(dgx1v, two_trees);
    CHECK(count(text, "r=\"21\" fill=\"#ffffff\"") == 5);
    CHECK(count(text, "r=\"21\" fill=\"#2f3b4c\"") == 3);
    CHECK(count(write_svg(dgx1v), "r=\"21\" fill=\"#2f3b4c\"") == 8);
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
    CHECK(count(text, "fill=\"#0072b2\"") == 2); // arrow heads
    CHECK(count(text, "fill=\"#d55e00\"") == 1);
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
