// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/read.hpp>
#include <blink/topology/read_nccl_xml.hpp>
#include <blink/topology/write_smi.hpp>

#include <doctest/doctest.h>

#include <string>

#include "damage.hpp"

using namespace blink;

namespace {

// Four V100 with direct NVLinks: two PCIe switches on one socket, a socket with nothing but a NIC, as NCCL 2.7 writes.
const std::string four_v100 = R"(<system version="1">
  <cpu numaid="0" affinity="000000ff,ffff0000,00ffffff" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="79">
    <pci busid="0000:14:00.0" class="0x060400" link_speed="8 GT/s" link_width="16">
      <pci busid="0000:15:00.0" class="0x030200" link_speed="8 GT/s" link_width="16">
        <gpu dev="0" sm="70" rank="0" gdr="1">
          <nvlink target="0000:16:00.0" count="1" tclass="0x030200"/>
          <nvlink target="0000:1A:00.0" count="1" tclass="0x030200"/>
          <nvlink target="0000:1b:00.0" count="2" tclass="0x030200"/>
          <nvlink target="0000:8b:00.0" count="2" tclass="0x030200"/>
        </gpu>
      </pci>
      <pci busid="0000:16:00.0" class="0x030200" link_speed="8 GT/s" link_width="16">
        <gpu dev="1" sm="70" rank="1" gdr="1">
          <nvlink target="0000:15:00.0" count="1" tclass="0x030200"/>
          <nvlink target="0000:1a:00.0" count="2" tclass="0x030200"/>
          <nvlink target="0000:1b:00.0" count="1" tclass="0x030200"/>
        </gpu>
      </pci>
      <pci busid="0000:17:00.0" class="0x020700" link_speed="8 GT/s" link_width="16">
        <nic>
          <net name="mlx5_0" dev="0" speed="100000" port="1" guid="0x1" maxconn="262144" gdr="1"/>
        </nic>
      </pci>
    </pci>
    <pci busid="0000:19:00.0" class="0x060400" link_speed="8 GT/s" link_width="16">
      <pci busid="0000:1a:00.0" class="0x030200" link_speed="8 GT/s" link_width="16">
        <gpu dev="2" sm="70" rank="2" gdr="1">
          <nvlink target="0000:15:00.0" count="1" tclass="0x030200"/>
          <nvlink target="0000:16:00.0" count="2" tclass="0x030200"/>
          <nvlink target="0000:1b:00.0" count="2" tclass="0x030200"/>
        </gpu>
      </pci>
      <pci busid="0000:1b:00.0" class="0x030200" link_speed="8 GT/s" link_width="16">
        <gpu dev="3" sm="70" rank="3" gdr="1">
          <nvlink target="0000:15:00.0" count="2" tclass="0x030200"/>
          <nvlink target="0000:16:00.0" count="1" tclass="0x030200"/>
          <nvlink target="0000:1a:00.0" count="2" tclass="0x030200"/>
        </gpu>
      </pci>
    </pci>
  </cpu>
  <cpu numaid="1" affinity="ffffff00" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="79">
    <pci busid="0000:84:00.0" class="0x060400" link_speed="8 GT/s" link_width="16">
      <pci busid="0000:85:00.0" class="0x020000" link_speed="8 GT/s" link_width="8">
        <nic/>
      </pci>
    </pci>
  </cpu>
</system>
)";

// Two H100 on two sockets, each below two levels of switches with its NIC, four NVSwitch chips; ranks the other way.
const std::string two_h100 = R"(<!-- written by hand -->
<system version="1" name="pair">
  <cpu host_hash="0x8f" numaid="1" affinity="ffff0000" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="143">
    <pci busid="0000:b7:00.0" class="0x060400" vendor="0x1000" device="0xc030" link_speed="32.0 GT/s PCIe" link_width="16">
      <pci busid="0000:b8:00.0" class="0x060400" link_speed="32.0 GT/s PCIe" link_width="16">
        <pci busid="0000:b9:00.0" class="0x030200" link_speed="32.0 GT/s PCIe" link_width="16">
          <gpu dev="1" sm="90" rank="0" gdr="1">
            <nvlink target="0000:07:00.0" count="5" tclass="0x068000"/>
            <nvlink target="0000:06:00.0" count="5" tclass="0x068000"/>
            <nvlink target="0000:05:00.0" count="4" tclass="0x068000"/>
            <nvlink target="0000:08:00.0" count="4" tclass="0x068000"/>
          </gpu>
        </pci>
        <pci busid="0000:ba:00.0" class="0x020700" link_speed="32.0 GT/s PCIe" link_width="16">
          <nic>
            <net name="mlx5_1" dev="1" latency="0" speed="400000" port="1" guid="0x2" maxconn="131072" gdr="1"/>
          </nic>
        </pci>
      </pci>
    </pci>
  </cpu>
  <cpu host_hash="0x8f" numaid="0" affinity="0000ffff" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="143">
    <pci busid="0000:1a:00.0" class="0x060400" link_speed="Unknown" link_width="0">
      <pci busid="0000:1b:00.0" class="0x030200" link_speed="32.0 GT/s PCIe" link_width="8">
        <gpu dev="0" sm="90" rank="1" gdr="1">
          <nvlink target="fffffff:ffff:ff" count="18" tclass="0x068000"/>
        </gpu>
      </pci>
    </pci>
  </cpu>
</system>
)";

std::string failure(const std::string& text) {
    try {
        (void)read_nccl_xml(text, "topo.xml");
        return {};
    } catch (const topology_error& e) { return e.what(); }
}

std::string replaced(std::string text, const std::string& old, const std::string& fresh) {
    REQUIRE(text.find(old) != std::string::npos);
    return text.replace(text.find(old), old.size(), fresh);
}

/// One GPU with these attributes and children.
std::string gpu(const std::string& attributes, const std::string& children = "") {
    return "<pci busid=\"0000:0a:00.0\"><gpu " + attributes + ">" + children + "</gpu></pci>";
}

std::string machine(const std::string& devices) {
    return "<system><cpu numaid=\"0\">\n" + devices + "\n</cpu></system>";
}

const link* wire(const topology& g, int from, int to, link_kind kind) {
    for (const link& l : g.links()) {
        if (l.from == from && l.to == to && l.kind == kind) { return &l; }
    }
    return nullptr;
}

} // namespace

TEST_CASE("direct NVLinks and the PCIe tree above them are the cloud server of that name") {
    const topology g = read_nccl_xml(four_v100, "p3_8xlarge");
    CHECK(g == topology{p3_8xlarge});
}

TEST_CASE("NVLinks to the chips of an NVSwitch add up, and GPUs are numbered by rank") {
    const topology g = read_nccl_xml(two_h100, "topo.xml");
    CHECK(g.name() == "pair");
    REQUIRE(g.gpu_count() == 2);
    REQUIRE(g.vertex_count() == 2 + 1 + 3 + 2);
    CHECK(g.kind_of(2) == vertex_kind::nvswitch);
    CHECK(*wire(g, 0, 2, link_kind::nvlink) == link{0, 2, 450, 18, link_kind::nvlink, 0});
    CHECK(*wire(g, 2, 1, link_kind::nvlink) == link{2, 1, 450, 18, link_kind::nvlink, 0});
    CHECK(wire(g, 0, 3, link_kind::pcie)->GBps == pcie_gen5_GBps);
    CHECK(wire(g, 3, 5, link_kind::pcie)->GBps == pcie_gen5_GBps);
    CHECK(wire(g, 5, 6, link_kind::pcie)->GBps == pcie_gen5_GBps);
    CHECK(wire(g, 1, 4, link_kind::pcie)->GBps == pcie_gen5_GBps / 2);
    CHECK(wire(g, 4, 7, link_kind::pcie)->GBps == pcie_gen3_GBps);
    CHECK(wire(g, 6, 7, link_kind::pcie)->GBps == detail::sapphire_rapids_socket_GBps);
}

TEST_CASE("the speed of an NVLink follows the compute capability") {
    const auto lane = [](const std::string& sm) {
        const std::string text =
            machine(gpu("dev=\"0\" sm=\"" + sm + "\"", "<nvlink count=\"1\" tclass=\"0x068000\"/>"));
        return read_nccl_xml(text, "x").links()[0].GBps;
    };
    CHECK(lane("60") == 20);
    CHECK(lane("70") == 25);
    CHECK(lane("80") == 25);
    CHECK(lane("86") == 14.0625);
    CHECK(lane("90") == 25);
    CHECK(lane("100") == 50);
}

TEST_CASE("sockets are as far apart as NCCL takes them to be") {
    using detail::socket_GBps;
    CHECK(socket_GBps({"x86_64", "GenuineIntel", 6, 79}) == 6);
    CHECK(socket_GBps({"x86_64", "GenuineIntel", 6, 85}) == 10);
    CHECK(socket_GBps({"x86_64", "GenuineIntel", 6, 143}) == 22);
    CHECK(socket_GBps({"x86_64", "GenuineIntel", 6, 173}) == 40);
    CHECK(socket_GBps({"x86_64", "AuthenticAMD", 143, 49}) == 16);
    CHECK(socket_GBps({"x86_64", "AuthenticAMD", 175, 1}) == 24);
    CHECK(socket_GBps({"x86_64", "AuthenticAMD", 26, 2}) == 32);
    CHECK(socket_GBps({"ppc64", "", 0, 0}) == 32);
    CHECK(socket_GBps({"arm64", "", 0, 0}) == 6);
}

TEST_CASE("hosts of different machines are not joined by PCIe") {
    const std::string text = "<system><cpu numaid=\"0\" host_hash=\"0x1\">" + gpu("dev=\"0\" rank=\"0\"") +
                             "</cpu><cpu numaid=\"0\" host_hash=\"0x2\">" + gpu("dev=\"0\" rank=\"1\"") +
                             "</cpu></system>";
    const topology g = read_nccl_xml(text, "x");
    CHECK(g.gpu_count() == 2);
    CHECK(wire(g, 2, 3, link_kind::pcie) == nullptr);
}

TEST_CASE("GPUs without a rank take no part where others have one") {
    const std::string other = replaced(gpu("dev=\"3\" sm=\"80\""), "0a", "0b");
    CHECK(read_nccl_xml(machine(gpu("dev=\"7\" rank=\"0\"") + other), "x").gpu_count() == 1);
    CHECK(read_nccl_xml(machine(gpu("dev=\"7\"") + other), "x").gpu_count() == 2);
}

TEST_CASE("an NVLink to a processor is a wire to the host, one to an unknown GPU is none") {
    const topology g = read_nccl_xml(
        machine(gpu("dev=\"0\" sm=\"70\"", "<nvlink target=\"0000:00:00.0\" count=\"3\" tclass=\"0x068001\"/>"
                                           "<nvlink target=\"0000:77:00.0\" count=\"3\" tclass=\"0x030200\"/>")),
        "x");
    CHECK(*wire(g, 0, 1, link_kind::nvlink) == link{0, 1, 75, 3, link_kind::nvlink, 0});
    CHECK(g.links().size() == 4);
}

TEST_CASE("what lies or is missing is refused with file, line and what was expected") {
    CHECK(failure("<graphs version=\"1\"/>") == "topo.xml:1: found <graphs>, expected <system> as in the file that "
                                                "NCCL_TOPO_DUMP_FILE names");
    CHECK(failure(machine("<pci busid=\"0000:00:1b.0\"/>")) ==
          "topo.xml:1: found no <gpu>, expected one or more: a file that leaves them to NCCL describes no machine; let "
          "NCCL_TOPO_DUMP_FILE write it");
    CHECK(failure(machine("<pci><gpu dev=\"0\"/></pci>")) ==
          "topo.xml:2: found <pci> without busid, expected one with it");
    CHECK(failure(machine("<pci busid=\"x\"><gpu dev=\"0\"/></pci>")) ==
          "topo.xml:2: found busid=\"x\", expected a bus id such as 0000:1a:00.0");
    CHECK(failure(machine(gpu("sm=\"70\""))) == "topo.xml:2: found <gpu> without dev, expected one with it");
    CHECK(failure(machine(gpu("dev=\"0\"", "<nvlink count=\"1\" tclass=\"0x068000\"/>"))) ==
          "topo.xml:2: found <gpu> without sm, expected one with it");
    CHECK(failure(machine(gpu("dev=\"0\"", "<xgmi count=\"1\"/>"))) ==
          "topo.xml:2: found <xgmi>, expected <nvlink>: links of AMD GPUs are not supported");
    CHECK(failure(replaced(four_v100, "rank=\"1\"", "rank=\"0\"")) ==
          "topo.xml:13: found a second GPU with rank=\"0\", expected different ones");
    CHECK(failure(replaced(four_v100, "<pci busid=\"0000:16:00.0\"", "<pci busid=\"0000:15:00.0\"")) ==
          "topo.xml:13: found a second GPU at this bus id, expected different ones");
    CHECK(failure(replaced(four_v100, "1A:00.0\" count=\"1\"", "1A:00.0\" count=\"2\"")) ==
          "topo.xml:7: found 2 NVLinks from GPU 0 to GPU 2, expected 1 as the other way");
    CHECK(failure(replaced(four_v100, "count=\"2\"", "count=\"0\"")) ==
          "topo.xml:8: found count=\"0\", expected a whole number from 1 to 1024");
    CHECK(failure(replaced(four_v100, "0000:16:00.0\" count", "0000:15:00.0\" count")) ==
          "topo.xml:6: found an NVLink of a GPU to itself, expected another target");
    CHECK(failure(replaced(four_v100, "tclass=\"0x030200\"", "tclass=\"0x020000\"")) ==
          "topo.xml:6: found tclass=\"0x020000\", expected 0x03.... (a GPU), 0x068000 (an NVSwitch) or 0x068001 (a "
          "CPU)");
    CHECK(failure(machine("<pci busid=\"1\"><gpu dev=\"0\"/>\n<gpu dev=\"0\"/></pci>")) ==
          "topo.xml:3: found a second <gpu> in a <pci>, expected one (several ranks or partitions on a GPU are not "
          "supported)");
    CHECK(failure(two_h100.substr(0, two_h100.find("</cpu>"))) ==
          "topo.xml:21: found the end of the text, expected an element or the end of one");
}

TEST_CASE("a file that was cut short is refused, and one with a wrong byte is read or refused") {
    const auto read = [](std::string_view text) { return read_nccl_xml(text, "damaged"); };
    for (const std::string& text : {four_v100, two_h100}) {
        test::try_beginnings(text, text.rfind('>') + 1, read);
        test::try_mutations(text, 400, read);
    }
}

TEST_CASE("a text that begins as XML is read as NCCL's file") {
    CHECK(read_topology("\n" + four_v100, "a.txt").gpu_count() == 4);
    CHECK(read_topology(two_h100, "a.xml").gpu_count() == 2);
    CHECK(read_topology("<?xml version=\"1.0\"?>" + four_v100, "a.xml").gpu_count() == 4);
    CHECK(nvlink_label(read_topology(two_h100, "a.xml"), 0, 1) == "NV18");
}
