// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/fabric.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace blink;

namespace {

/// Sum over the links of a kind that leave v.
template <capacity_graph G>
constexpr double leaving(const G& g, int v, link_kind kind) {
    double sum = 0;
    for (const link& l : g.links()) { sum += l.from == v && l.kind == kind ? l.GBps : 0; }
    return sum;
}

template <capacity_graph G>
constexpr bool every_gpu_has(const G& g, double nvlink, double pcie) {
    for (int v = 0; v < g.gpu_count(); ++v) {
        if (leaving(g, v, link_kind::nvlink) != nvlink || leaving(g, v, link_kind::pcie) != pcie) { return false; }
    }
    return true;
}

template <capacity_graph G>
constexpr bool is_full_duplex(const G& g) {
    for (const link& l : g.links()) {
        link back = l;
        std::swap(back.from, back.to);
        if (std::ranges::find(g.links(), back) == g.links().end()) { return false; }
    }
    return true;
}

template <auto Machine>
struct usable_as_template_argument {
    static constexpr int gpus = Machine.gpu_count();
};

// Six NVLinks a GPU on a DGX-1V, four on a DGX-1P, and so on; each also has its PCIe link.
static_assert(every_gpu_has(dgx1v, 6 * 25, 10));
static_assert(every_gpu_has(dgx1p, 4 * 20, 10));
static_assert(leaving(p3_8xlarge, 0, link_kind::nvlink) == 4 * 25 &&
              leaving(p3_8xlarge, 2, link_kind::nvlink) == 5 * 25);
static_assert(leaving(p3_8xlarge, 1, link_kind::nvlink) == 4 * 25 &&
              leaving(p3_8xlarge, 3, link_kind::nvlink) == 5 * 25);
static_assert(every_gpu_has(dgx2, 150, 10));
static_assert(every_gpu_has(dgx_a100, 300, 20));
static_assert(every_gpu_has(hgx_h100, 450, 50));
static_assert(every_gpu_has(hgx_h200_2, 450, 50));
static_assert(every_gpu_has(pcie4, 0, 10));
static_assert(every_gpu_has(pcie8, 0, 10));
static_assert(is_full_duplex(dgx1v) && is_full_duplex(dgx2) && is_full_duplex(hgx_h100) && is_full_duplex(mi250));
static_assert(dgx1v.gpu_count() == 8 && dgx2.gpu_count() == 16 && hgx_h200_2.gpu_count() == 2);
static_assert(dgx2.kind_of(16) == vertex_kind::nvswitch && dgx2.kind_of(30) == vertex_kind::host);
static_assert(usable_as_template_argument<dgx1v>::gpus == 8);
static_assert(usable_as_template_argument<hgx_h200_2>::gpus == 2);

/// NVLinks between two GPUs of a DGX-1V.
constexpr int lanes(int a, int b) {
    for (const link& l : dgx1v.links()) {
        if (l.from == a && l.to == b) { return l.lanes; }
    }
    return 0;
}

// The pairs that tell the right wiring from the wrong ones in circulation.
static_assert(lanes(2, 3) == 2 && lanes(2, 6) == 1 && lanes(3, 7) == 1);
static_assert(lanes(0, 3) == 2 && lanes(0, 4) == 2 && lanes(1, 2) == 2 && lanes(1, 5) == 2);
static_assert(lanes(4, 7) == 2 && lanes(5, 6) == 2 && lanes(6, 7) == 2);
static_assert(lanes(0, 5) == 0 && lanes(0, 6) == 0 && lanes(1, 7) == 0);

} // namespace

TEST_CASE("every name gives the machine of that name") {
    CHECK(machine_names().size() == 10);
    for (const std::string& name : machine_names()) {
        CAPTURE(name);
        const topology g = machine_named(name);
        CHECK(g.name() == name);
        CHECK_NOTHROW((void)make_fabric(g));
    }
}

TEST_CASE("an unknown name is refused with the names that are known") {
    for (const char* name : {"dgx9", "", "DGX1V", "dgx_a100x", "dgx_a100x0", "dgx_a100x-1", "dgx_a100x129",
                             "dgx_a100x2x", "dgx1vx2", "dgx_a100x99999999999"}) {
        CAPTURE(name);
        CHECK_FALSE(find_machine(name).has_value());
        CHECK_THROWS_AS((void)machine_named(name), topology_error);
    }
    std::string message;
    try {
        (void)machine_named("dgx9");
    } catch (const topology_error& e) { message = e.what(); }
    for (const std::string& name : machine_names()) { CHECK(message.find(name) != std::string::npos); }
}

TEST_CASE("boxes hang on one network switch by a NIC for each GPU") {
    const topology g = machine_named("dgx_a100x2");
    CHECK(g.gpu_count() == 16);
    CHECK(g.vertex_count() == 19);
    CHECK(g.kind_of(16) == vertex_kind::nvswitch);
    CHECK(g.kind_of(17) == vertex_kind::nvswitch);
    CHECK(g.kind_of(18) == vertex_kind::network_switch);
    CHECK(g.links().size() == 64);
    CHECK(is_full_duplex(g));
    for (int v = 0; v < 16; ++v) {
        CHECK(leaving(g, v, link_kind::nvlink) == 300);
        CHECK(leaving(g, v, link_kind::network) == 25);
    }
    CHECK(leaving(machine_named("hgx_h100x4"), 31, link_kind::network) == 50);
    CHECK(machine_named("hgx_h100x4").gpu_count() == 32);
}

TEST_CASE("boxes with direct links keep them inside each box") {
    const topology g = boxes_of(dgx1v, 2, 5, "two");
    CHECK(leaving(g, 11, link_kind::nvlink) == 150);
    for (const link& l : g.links()) {
        if (l.kind == link_kind::nvlink) { CHECK(l.from / 8 == l.to / 8); }
    }
    CHECK_THROWS_AS((void)boxes_of(dgx1v, 0, 5, "none"), topology_error);
}

TEST_CASE("the MI250 server has two dies a module and 50 GB/s a link") {
    const topology g = machine_named("mi250");
    CHECK(g.gpu_count() == 16);
    CHECK(g.links().size() == 56);
    CHECK(leaving(g, 0, link_kind::nvlink) == 350);
    CHECK(leaving(g, 3, link_kind::nvlink) == 350);
    CHECK(leaving(g, 15, link_kind::nvlink) == 350);
}
