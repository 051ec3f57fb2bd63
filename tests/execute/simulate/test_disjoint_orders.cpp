// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/disjoint_orders.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/machines/nvswitch.hpp>
#include <blink/topology/machines/pcie.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using blink::detail::find_orders;

namespace {

/// GPUs, and how many arc-disjoint directed NVLink rings they have at most; each one of the unique configurations.
struct oracle {
    std::string_view gpus;
    int rings;
};

constexpr oracle dgx1v_rings[]{
    {"012", 2},    {"014", 0},     {"023", 2},     {"026", 0},     {"034", 0},    {"0123", 4},   {"0124", 0},
    {"0125", 0},   {"0126", 0},    {"0145", 2},    {"0146", 0},    {"0147", 0},   {"0234", 0},   {"0236", 0},
    {"0237", 0},   {"0246", 2},    {"0256", 0},    {"0347", 2},    {"0367", 0},   {"01234", 0},  {"01236", 0},
    {"01245", 2},  {"01246", 2},   {"01247", 0},   {"01256", 2},   {"01257", 0},  {"01267", 0},  {"01467", 0},
    {"02346", 2},  {"02347", 2},   {"02356", 0},   {"02357", 0},   {"02367", 2},  {"012345", 2}, {"012346", 2},
    {"012347", 2}, {"012367", 2},  {"012456", 4},  {"012457", 2},  {"012467", 2}, {"012567", 2}, {"023467", 4},
    {"023567", 2}, {"0123456", 4}, {"0123467", 4}, {"01234567", 6}};
constexpr oracle dgx1p_rings[]{{"012", 2},    {"014", 0},    {"0123", 2},    {"0124", 0},    {"0145", 2},
                               {"0146", 0},   {"01234", 0},  {"01245", 2},   {"01247", 0},   {"012345", 2},
                               {"012456", 2}, {"012457", 2}, {"0123456", 2}, {"01234567", 4}};

template <class Machine>
blink::fabric fabric_of(const Machine& machine, std::string_view gpus, blink::link_choice links) {
    std::vector<int> ranks;
    for (const char c : gpus) { ranks.push_back(c - '0'); }
    return blink::make_fabric(blink::induced(machine, ranks), links);
}

int lanes(const std::vector<blink::detail::rated_order>& orders) {
    int sum = 0;
    for (const auto& r : orders) { sum += r.lanes; }
    return sum;
}

/// Every order holds each rank once, and together they take no lane twice.
void check_disjoint(const blink::fabric& f, const std::vector<blink::detail::rated_order>& orders, bool closed) {
    blink::detail::lane_graph g(f, false);
    for (const auto& r : orders) {
        CHECK(std::set<int>(r.order.begin(), r.order.end()).size() == static_cast<std::size_t>(f.ranks));
        CHECK(r.order.size() == static_cast<std::size_t>(f.ranks));
        for (int i = 0; i < r.lanes; ++i) { CHECK(blink::detail::take_order(g, r.order, {closed, !closed})); }
    }
}

} // namespace

TEST_CASE("all 46 configurations of a DGX-1V have exactly the NVLink rings of the oracle") {
    for (const auto& [gpus, rings] : dgx1v_rings) {
        CAPTURE(gpus);
        const blink::fabric f = fabric_of(blink::dgx1v, gpus, blink::link_choice::nvlink);
        const auto found = find_orders(f, true, false);
        CHECK(lanes(found) == rings);
        check_disjoint(f, found, true);
        for (const auto& r : found) { CHECK(r.GBps == 25 * r.lanes); }
    }
}

TEST_CASE("all 14 configurations of a DGX-1P have exactly the NVLink rings of the oracle") {
    for (const auto& [gpus, rings] : dgx1p_rings) {
        CAPTURE(gpus);
        const blink::fabric f = fabric_of(blink::dgx1p, gpus, blink::link_choice::nvlink);
        const auto found = find_orders(f, true, false);
        CHECK(lanes(found) == rings);
        check_disjoint(f, found, true);
    }
}

TEST_CASE("every connected configuration without an NVLink ring still has an NVLink chain") {
    for (const auto& [gpus, rings] : dgx1v_rings) {
        CAPTURE(gpus);
        const blink::fabric f = fabric_of(blink::dgx1v, gpus, blink::link_choice::nvlink);
        const auto found = find_orders(f, false, false);
        CHECK(lanes(found) >= 1);
        check_disjoint(f, found, false);
    }
    const blink::fabric all = fabric_of(blink::dgx1v, "01234567", blink::link_choice::nvlink);
    CHECK(lanes(find_orders(all, false, false)) == 3);
}

TEST_CASE("an NVSwitch carries as many rings as each GPU has lanes") {
    const blink::fabric f = blink::make_fabric(blink::topology(blink::dgx2), blink::link_choice::nvlink);
    const auto found = find_orders(f, true, false);
    CHECK(lanes(found) == 6);
    check_disjoint(f, found, true);
    const blink::fabric two = blink::make_fabric(blink::topology(blink::hgx_h200_2), blink::link_choice::nvlink);
    const auto ring = find_orders(two, true, false);
    REQUIRE(ring.size() == 1);
    CHECK(ring[0].lanes == 18);
    CHECK(ring[0].GBps == doctest::Approx(450));
}

TEST_CASE("PCIe has one ring, in the order of the GPUs") {
    const blink::fabric f = blink::make_fabric(blink::topology(blink::pcie8), blink::link_choice::pcie);
    CHECK(find_orders(f, true, false).empty());
    const auto found = find_orders(f, true, true);
    REQUIRE(found.size() == 1);
    std::vector<int> natural(8);
    std::iota(natural.begin(), natural.end(), 0);
    CHECK(found[0].order == natural);
}

TEST_CASE("a chain over a port of one lane shares the port with itself") {
    blink::topology g("bus", 3, {blink::vertex_kind::pcie_switch});
    for (int r = 0; r < 3; ++r) { g.connect({r, 3, 12, 1, blink::link_kind::pcie, 0}); }
    const auto found = find_orders(blink::make_fabric(g), false, true);
    REQUIRE(found.size() == 1);
    CHECK(found[0].lanes == 0);
    CHECK(found[0].GBps == 6);
}
