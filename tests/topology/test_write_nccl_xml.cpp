// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/read_nccl_xml.hpp>
#include <blink/topology/write_nccl_xml.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace blink;

namespace {

std::string refusal(const topology& t) {
    try {
        (void)write_nccl_xml(t);
        return {};
    } catch (const usage_error& e) { return e.what(); }
}

/// A GPU on a PCIe switch on a host.
topology small() {
    topology t{"small", 1, {vertex_kind::pcie_switch, vertex_kind::host}};
    t.connect({0, 1, 5, 1, link_kind::pcie, 0});
    t.connect({1, 2, 50, 1, link_kind::pcie, 0});
    return t;
}

} // namespace

TEST_CASE("a machine is written in NCCL's words") {
    topology t = small();
    CHECK(write_nccl_xml(t) ==
          "<system version=\"1\" name=\"small\">\n"
          "  <cpu numaid=\"0\" affinity=\"ffffffff\" arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" "
          "modelid=\"85\">\n"
          "    <pci busid=\"0000:00:02.0\" class=\"0x060400\" link_speed=\"32.0 GT/s PCIe\" link_width=\"16\">\n"
          "      <pci busid=\"0000:00:01.0\" class=\"0x030200\" link_speed=\"5.0 GT/s PCIe\" link_width=\"16\">\n"
          "        <gpu dev=\"0\" sm=\"80\" rank=\"0\" gdr=\"1\"/>\n"
          "      </pci>\n    </pci>\n  </cpu>\n</system>\n");
}

TEST_CASE("every named machine with a PCIe tree is read back as it was") {
    for (const std::string name :
         {"dgx1p", "dgx1v", "p3_8xlarge", "dgx2", "dgx_a100", "hgx_h100", "hgx_h200_2", "pcie4", "pcie8"}) {
        CAPTURE(name);
        const topology t = machine_named(name);
        CHECK(read_nccl_xml(write_nccl_xml(t), "x") == t);
    }
}

TEST_CASE("other speeds and deeper trees are read back as they were") {
    for (const double nvlink : {20.0, 25.0, 14.0625, 50.0}) {
        for (const double pcie : {100.0, 20.0, 5.0, 2.5, 1.25}) {
            for (const double socket : {6.0, 10.0, 16.0, 22.0, 24.0, 32.0, 40.0}) {
                topology t{"made <by> \"hand\"",
                           2,
                           {vertex_kind::pcie_switch, vertex_kind::pcie_switch, vertex_kind::host, vertex_kind::host}};
                t.connect({0, 1, 2 * nvlink, 2, link_kind::nvlink, 0});
                t.connect({0, 2, pcie, 1, link_kind::pcie, 0});
                t.connect({1, 5, pcie, 1, link_kind::pcie, 0});
                t.connect({2, 3, pcie, 1, link_kind::pcie, 0});
                t.connect({3, 4, 10, 1, link_kind::pcie, 0});
                t.connect({4, 5, socket, 1, link_kind::pcie, 0});
                CHECK(read_nccl_xml(write_nccl_xml(t), "x") == t);
            }
        }
    }
}

TEST_CASE("the largest machine that can be read is written and read within seconds") {
    std::string text = "<system version=\"1\">";
    for (int host = 0; host < 256; ++host) {
        text += "<cpu numaid=\"" + std::to_string(host) + "\">";
        for (int g = 4 * host; g < 4 * host + 4; ++g) {
            const std::string number = std::to_string(g);
            text += "<pci busid=\"" + number + "\"><gpu dev=\"0\" sm=\"90\" rank=\"" + number +
                    "\"><nvlink count=\"18\" tclass=\"0x068000\"/></gpu></pci>";
        }
        text += "</cpu>";
    }
    const topology t = read_nccl_xml(text + "</system>", "x");
    CHECK(t.gpu_count() == 1024);
    CHECK(t.links().size() == 2 * (1024 + 1024 + 256 * 255 / 2));
    CHECK(read_nccl_xml(write_nccl_xml(t), "x") == t);
}

TEST_CASE("a name that NCCL would stumble over is left out") {
    topology t{std::string(256, 'x'), 1, {vertex_kind::host}};
    t.connect({0, 1, 10, 1, link_kind::pcie, 0});
    CHECK(write_nccl_xml(t).starts_with("<system version=\"1\">\n"));
}

TEST_CASE("switches without a GPU beneath are left out") {
    const std::vector<int> ranks{0, 1, 5};
    const topology part = read_nccl_xml(write_nccl_xml(induced(dgx1v, ranks)), "x");
    CHECK(part.gpu_count() == 3);
    CHECK(part.vertex_count() == 3 + 2 + 2);
}

TEST_CASE("what the format has no words for is refused by name") {
    const std::string cannot = " cannot be written as NCCL XML: ";
    CHECK(refusal(machine_named("mi250")).starts_with("mi250" + cannot));
    CHECK(refusal(machine_named("dgx_a100x2")) ==
          "dgx_a100x2" + cannot + "the link from GPU 0 to network_switch 18 is a network");
    topology odd = small();
    odd.add_link({0, 1, 5, 1, link_kind::nvlink, 0});
    CHECK(refusal(odd) == "small" + cannot + "the link from GPU 0 to pcie_switch 1 is not one of two equal directions");
    topology slow{"slow", 1, {vertex_kind::host}};
    slow.connect({0, 1, 7, 1, link_kind::pcie, 0});
    CHECK(refusal(slow) == "slow" + cannot + "the PCIe link above GPU 0 has the speed of no PCIe generation and width");
    topology bare{"bare", 2};
    bare.connect({0, 1, 25, 1, link_kind::nvlink, 0});
    CHECK(refusal(bare) == "bare" + cannot + "GPU 0 hangs below no host");
    topology late{"late", 1, {vertex_kind::host}};
    late.connect({0, 1, 10, 1, link_kind::pcie, 3});
    CHECK(refusal(late) == "late" + cannot + "the link from GPU 0 to host 1 has a latency");
    topology fast{"fast", 2, {vertex_kind::host}};
    fast.connect({0, 1, 33, 1, link_kind::nvlink, 0});
    fast.connect({0, 2, 10, 1, link_kind::pcie, 0});
    fast.connect({1, 2, 10, 1, link_kind::pcie, 0});
    CHECK(refusal(fast) ==
          "fast" + cannot + "the NVLinks of GPU 0 have the speed of no known GPU: expected 20, 25, 14.0625 or 50 GB/s");
    topology apart{"apart", 2, {vertex_kind::host, vertex_kind::host}};
    apart.connect({0, 2, 10, 1, link_kind::pcie, 0});
    apart.connect({1, 3, 10, 1, link_kind::pcie, 0});
    CHECK(refusal(apart) == "apart" + cannot + "its hosts are not joined each to each");
    topology twice = small();
    twice.connect({0, 2, 5, 1, link_kind::pcie, 0});
    CHECK(refusal(twice) == "small" + cannot + "its PCIe links are no tree");
    topology hubs{"hubs", 1, {vertex_kind::host, vertex_kind::nvswitch, vertex_kind::nvswitch}};
    hubs.connect({0, 1, 10, 1, link_kind::pcie, 0});
    CHECK(refusal(hubs) == "hubs" + cannot + "it has 2 NVSwitches, where NCCL has one");
}
