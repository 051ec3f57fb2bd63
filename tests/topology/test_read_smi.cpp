// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/read.hpp>
#include <blink/topology/read_smi.hpp>
#include <blink/topology/write_smi.hpp>

#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "damage.hpp"

using namespace blink;

namespace {

// A DGX-1V as an old driver prints it: SOC for SYS, four NICs, tabs, an underlined header.
const std::string dgx1v_text =
    "\t\x1b[4mGPU0\tGPU1\tGPU2\tGPU3\tGPU4\tGPU5\tGPU6\tGPU7\tmlx5_0\tmlx5_2\tmlx5_1\tmlx5_3\tCPU Affinity\x1b[0m\n"
    "GPU0\t X \tNV1\tNV1\tNV2\tNV2\tSOC\tSOC\tSOC\tPIX\tSOC\tPHB\tSOC\t0-19,40-59\n"
    "GPU1\tNV1\t X \tNV2\tNV1\tSOC\tNV2\tSOC\tSOC\tPIX\tSOC\tPHB\tSOC\t0-19,40-59\n"
    "GPU2\tNV1\tNV2\t X \tNV2\tSOC\tSOC\tNV1\tSOC\tPHB\tSOC\tPIX\tSOC\t0-19,40-59\n"
    "GPU3\tNV2\tNV1\tNV2\t X \tSOC\tSOC\tSOC\tNV1\tPHB\tSOC\tPIX\tSOC\t0-19,40-59\n"
    "GPU4\tNV2\tSOC\tSOC\tSOC\t X \tNV1\tNV1\tNV2\tSOC\tPIX\tSOC\tPHB\t20-39,60-79\n"
    "GPU5\tSOC\tNV2\tSOC\tSOC\tNV1\t X \tNV2\tNV1\tSOC\tPIX\tSOC\tPHB\t20-39,60-79\n"
    "GPU6\tSOC\tSOC\tNV1\tSOC\tNV1\tNV2\t X \tNV2\tSOC\tPHB\tSOC\tPIX\t20-39,60-79\n"
    "GPU7\tSOC\tSOC\tSOC\tNV1\tNV2\tNV1\tNV2\t X \tSOC\tPHB\tSOC\tPIX\t20-39,60-79\n"
    "mlx5_0\tPIX\tPIX\tPHB\tPHB\tSOC\tSOC\tSOC\tSOC\t X \tSOC\tPHB\tSOC\t\n"
    "\nLegend:\n\n  X   = Self\n  SOC  = Connection traversing PCIe as well as the SMP link between CPU sockets\n";

// Two H200s as people paste them: a prompt, spaces, affinity columns with blanks in their names, a quote mark, CRLF.
const std::string h200_text = "> user@box:~$ nvidia-smi topo -m\r\n"
                              ">         GPU0    GPU1    CPU Affinity    NUMA Affinity   GPU NUMA ID\r\n"
                              "> GPU0     X      NV18    0-47            0               N/A\r\n"
                              "> GPU1    NV18     X      48-95           1               N/A\r\n"
                              "> \r\n> Legend:\r\n>   X    = Self\r\n";

// Four GPUs without NVLink, one on the other socket.
const std::string pcie_text = "\tGPU0\tGPU1\tGPU2\tGPU3\n"
                              "GPU0\t X \tPIX\tPXB\tSYS\n"
                              "GPU1\tPIX\t X \tPXB\tSYS\n"
                              "GPU2\tPXB\tPXB\t X \tSYS\n"
                              "GPU3\tSYS\tSYS\tSYS\t X \n";

std::string failure(const std::string& text, const smi_options& options = {}) {
    try {
        (void)read_smi(text, "topo.txt", options);
        return {};
    } catch (const topology_error& e) { return e.what(); }
}

std::string replaced(std::string text, const std::string& old, const std::string& fresh) {
    return text.replace(text.find(old), old.size(), fresh);
}

/// The matrix of n GPUs, `cell` between any two.
std::string uniform(int n, const std::string& cell) {
    std::string text;
    for (int b = 0; b < n; ++b) { text += "\tGPU" + std::to_string(b); }
    for (int a = 0; a < n; ++a) {
        text += "\nGPU" + std::to_string(a);
        for (int b = 0; b < n; ++b) { text += "\t" + (a == b ? " X " : cell); }
    }
    return text + "\n";
}

double total(const topology& g, int v, link_kind kind) {
    double sum = 0;
    for (const link& l : g.links()) { sum += l.from == v && l.kind == kind ? l.GBps : 0; }
    return sum;
}

} // namespace

TEST_CASE("the matrix of a DGX-1V is the machine of that name, NVLinks and PCIe tree") {
    const topology g = read_smi(dgx1v_text, "dgx1v", {25, 6, 10, detail::broadwell_socket_GBps});
    CHECK(g == topology{dgx1v});
}

TEST_CASE("eighteen links between two H200s are one NVSwitch of 450 GB/s a GPU") {
    const topology g = read_smi(h200_text, "h200");
    REQUIRE(g.vertex_count() == 2 + 1 + 2);
    CHECK(g.kind_of(2) == vertex_kind::nvswitch);
    CHECK(g.kind_of(3) == vertex_kind::host);
    CHECK(g.links()[0] == link{0, 2, 450, 18, link_kind::nvlink, 0});
    CHECK(total(g, 1, link_kind::nvlink) == 450);
    CHECK(total(g, 0, link_kind::pcie) == pcie_gen5_GBps);
    CHECK(nvlink_label(g, 0, 1) == "NV18");
}

TEST_CASE("a switch is seen where a GPU would need more links than it has") {
    CHECK(read_smi(uniform(16, "NV6"), "dgx2").kind_of(16) == vertex_kind::nvswitch);
    CHECK(total(read_smi(uniform(16, "NV6"), "dgx2"), 7, link_kind::nvlink) == 150);
    const topology a100x4 = read_smi(uniform(4, "NV4"), "four A100, direct links");
    CHECK(a100x4.kind_of(4) == vertex_kind::host);
    CHECK(total(a100x4, 0, link_kind::nvlink) == 300);
    const topology sliced = read_smi(uniform(4, "NV6"), "a quarter of a DGX-2", smi_options::for_nvlink(2));
    CHECK(sliced.kind_of(4) == vertex_kind::nvswitch);
    CHECK(total(sliced, 0, link_kind::nvlink) == 150);
}

TEST_CASE("the speed of a lane follows the generation") {
    const topology p100 = read_smi(uniform(4, "NV1"), "p100", smi_options::for_nvlink(1));
    CHECK(total(p100, 0, link_kind::nvlink) == 60);
    CHECK(total(read_smi(uniform(8, "NV18"), "b200", smi_options::for_nvlink(5)), 0, link_kind::nvlink) == 900);
    CHECK_THROWS_AS((void)smi_options::for_nvlink(0), usage_error);
    CHECK_THROWS_AS((void)smi_options::for_nvlink(6), usage_error);
}

TEST_CASE("PCIe classes become switches under hosts") {
    const topology g = read_smi(pcie_text, "pcie");
    REQUIRE(g.vertex_count() == 4 + 2 + 2);
    CHECK(g.kind_of(4) == vertex_kind::pcie_switch);
    CHECK(g.kind_of(5) == vertex_kind::pcie_switch);
    CHECK(g.kind_of(6) == vertex_kind::host);
    CHECK(g.kind_of(7) == vertex_kind::host);
    CHECK(write_smi(g) == "\tGPU0\tGPU1\tGPU2\tGPU3\n"
                          "GPU0\t X\tPIX\tPXB\tSYS\n"
                          "GPU1\tPIX\t X\tPXB\tSYS\n"
                          "GPU2\tPXB\tPXB\t X\tSYS\n"
                          "GPU3\tSYS\tSYS\tSYS\t X\n");
}

TEST_CASE("a single GPU is a machine") {
    const topology g = read_smi("\tGPU0\tCPU Affinity\nGPU0\t X \t0-7\n", "one");
    CHECK(g.gpu_count() == 1);
}

TEST_CASE("escapes that lost their first byte, table marks and no-break spaces are blanks") {
    const std::string text = "`[4mGPU0 GPU1[0m\n| GPU0 | X | NV2 |\n| GPU1 |\xC2\xA0NV2 | X |\n";
    CHECK(total(read_smi(text, "pasted"), 0, link_kind::nvlink) == 50);
}

TEST_CASE("escapes are known however a log spells them") {
    const std::string rows = "\nGPU0 X NV2\nGPU1 NV2 X\n";
    for (const char* escape : {"\x1b", "^[", "\\x1b", "\\u001b", "\\u001B", "\\033", "\\e", ""}) {
        CAPTURE(escape);
        const std::string e = escape;
        const std::string text = "\t" + e + "[4mGPU0\tGPU1" + e + "[0m" + rows;
        CHECK(total(read_smi(text, "pasted"), 0, link_kind::nvlink) == 50);
    }
    CHECK(read_smi("\x1b[?25l\x1b[KGPU0 GPU1\x1b(B\x1b[m" + rows, "pasted").gpu_count() == 2);
}

TEST_CASE("tables of documents are read: rules, a label over the rows, emphasis, thin spaces") {
    const std::string markdown = "Topology of **one** node:\n\n| GPU  | GPU0 | GPU1 | NIC0 | CPU Affinity |\n"
                                 "|------|:----:|-----:|------|------|\n| **GPU0** | X | `NV4` | PIX | 0-7 |\n"
                                 "| **GPU1** | NV4 | X | SYS | 8-15 |\n| NIC0 | PIX | SYS | X | |\n";
    const std::string bordered = "+------+------+------+\n|      | GPU0 | GPU1 |\n+======+======+======+\n"
                                 "| GPU0 | X    | NV4  |\n+------+------+------+\n| GPU1 | NV4\xE2\x80\xAF | X |\n"
                                 "+------+------+------+\n";
    for (const std::string& text : {markdown, bordered}) {
        const topology g = read_smi(text, "table");
        CHECK(g.gpu_count() == 2);
        CHECK(total(g, 0, link_kind::nvlink) == 100);
    }
    CHECK(read_smi(markdown, "table").vertex_count() == 2 + 2);
}

TEST_CASE("lines that a terminal cut in two are joined") {
    const std::string text = "\tGPU0\tGPU1\tGPU2\n\tNIC0\tNIC1\tCPU Affinity\tNUMA Affinity\n"
                             "GPU0\t X \tNV1\tSYS\nPIX\tSYS\t0-19\t0\n"
                             "GPU1\tNV1\t X \nSYS\nPIX\tSYS\t0-19\t0\n"
                             "GPU2\tSYS\tSYS\t X \tSYS\tPIX\n20-39\t1\n"
                             "NIC0\tPIX\tPIX\tSYS\n X \tSYS\n";
    const topology g = read_smi(text, "narrow");
    CHECK(g.gpu_count() == 3);
    CHECK(write_smi(g) == "\tGPU0\tGPU1\tGPU2\nGPU0\t X\tNV1\tSYS\nGPU1\tNV1\t X\tSYS\nGPU2\tSYS\tSYS\t X\n");
    CHECK(failure(replaced(text, "GPU1\tNV1\t X \nSYS", "GPU1\tNV1\t X \nNV2")) ==
          "topo.txt:8: found 'SYS' in the row of GPU2, column 2, expected NV2 as in the row of GPU1");
}

TEST_CASE("a matrix of peer access after it, and an empty affinity before a NUMA number, do no harm") {
    const std::string text =
        "GPU Topology:\n\t\x1b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
        "GPU0\t X \tPHB\tPIX\t\t\t\tN/A\nGPU1\tPHB\t X \tPHB\t\t\t\tN/A\n"
        "NIC0\tPIX\tPHB\t X \t\t\t\t\n\nLegend:\n\n  X    = Self\n\nNIC Legend:\n\n  NIC0: mlx5_0\n\n"
        " \tGPU0\tGPU1\t\n GPU0\tX\tGNS\t\n GPU1\tGNS\tX\t\n";
    CHECK(read_smi(text, "env").gpu_count() == 2);
}

TEST_CASE("what lies or is missing is refused with file, line and what was expected") {
    CHECK(failure("hello\nworld\n") ==
          "topo.txt:2: found no line that begins with GPU0, expected the matrix of nvidia-smi topo -m");
    CHECK(failure(replaced(pcie_text, "GPU1\tPIX", "GPU1\tSYS")) ==
          "topo.txt:3: found 'SYS' in the row of GPU1, column 1, expected PIX as in the row of GPU0");
    CHECK(failure(replaced(pcie_text, "GPU0\t X \tPIX", "GPU0\t X \tNV0")) ==
          "topo.txt:2: found 'NV0' in the row of GPU0, column 2, expected NV1 to NV64");
    CHECK(failure(replaced(pcie_text, "GPU2\tPXB\tPXB\t X ", "GPU2\tPXB\tPXB\tPIX")) ==
          "topo.txt:4: found 'PIX' in the row of GPU2, column 3, expected X");
    CHECK(failure(replaced(pcie_text, "GPU0\t X \tPIX", "GPU0\t X \tOK")) ==
          "topo.txt:2: found 'OK' in the row of GPU0, column 2, expected PIX, PXB, PHB, NODE, SYS or NV#");
    CHECK(failure(replaced(pcie_text, "GPU2\tPXB\tPXB\t X \tSYS", "GPU2\tPXB")) ==
          "topo.txt:4: found 1 cells in the row of GPU2, expected 4");
    CHECK(failure(pcie_text.substr(0, pcie_text.find("GPU3\tSYS"))) ==
          "topo.txt:4: found the end of the text, expected the row of GPU3");
    CHECK(failure(replaced(pcie_text, "GPU1\tPIX", "GPU2\tPIX")) ==
          "topo.txt:3: found 'GPU2', expected the row of GPU1");
    CHECK(failure(replaced(pcie_text, "\tGPU3\n", "\n")) == "topo.txt:5: found the row GPU3, expected 3 GPUs");
    CHECK(failure(replaced(pcie_text, "\tGPU2\t", "\tGPU5\t")) == "topo.txt:1: found GPU5, expected the column GPU2");
    CHECK(failure(dgx1v_text, smi_options::for_nvlink(1)) == "topo.txt:2: found 6 NVLinks on GPU0, expected at most 4");
}

TEST_CASE("a matrix that was cut short is refused wherever a cell of a GPU is missing") {
    const auto read = [](std::string_view text) { return read_smi(text, "damaged"); };
    const std::string short_text = uniform(5, "NV12");
    test::try_beginnings(short_text, short_text.rfind('X') + 1, read);
    test::try_beginnings(pcie_text, pcie_text.rfind('X') + 1, read);
    test::try_beginnings(h200_text, h200_text.rfind("X      48") + 1, read);
    // Without its last line of NIC cells the last row is too short.
    test::try_beginnings(dgx1v_text, dgx1v_text.find("PIX\t20-39,60-79\nmlx5_0"), read);
}

TEST_CASE("a matrix with a wrong byte is read or refused") {
    const auto read = [](std::string_view text) { return read_smi(text, "damaged"); };
    for (const std::string& text : {dgx1v_text, h200_text, pcie_text}) { test::try_mutations(text, 400, read); }
}

TEST_CASE("the format of a text shows by its first character") {
    CHECK(read_topology(" {\"gpus\": 1, \"links\": []}", "a.json").gpu_count() == 1);
    CHECK(read_topology(h200_text, "a.txt").gpu_count() == 2);
    std::istringstream stream{pcie_text};
    CHECK(read_topology(stream, "a.txt").gpu_count() == 4);
    CHECK_THROWS_WITH_AS(
        (void)read_topology(" \n", "a.txt"),
        "a.txt:1: found nothing, expected Blink's JSON, NCCL's XML or the output of nvidia-smi topo -m",
        topology_error);
}

TEST_CASE("a name is a machine, and what is neither a name nor a file is refused") {
    CHECK(load_topology("dgx2").gpu_count() == 16);
    CHECK(load_topology("hgx_h100x2").gpu_count() == 16);
    CHECK_THROWS_AS((void)load_topology("no/such/file"), topology_error);
}
