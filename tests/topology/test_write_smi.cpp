// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/read_smi.hpp>
#include <blink/topology/write_smi.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace blink;

TEST_CASE("two H200s print as NV18") {
    CHECK(write_smi(hgx_h200_2) == "\tGPU0\tGPU1\nGPU0\t X\tNV18\nGPU1\tNV18\t X\n");
}

TEST_CASE("each sort of way has its label") {
    CHECK(nvlink_label(dgx1v, 0, 0) == "X");
    CHECK(nvlink_label(dgx1v, 0, 3) == "NV2");
    CHECK(nvlink_label(dgx1v, 0, 1) == "NV1");
    CHECK(nvlink_label(dgx1v, 1, 4) == "SYS");
    CHECK(nvlink_label(dgx2, 3, 12) == "NV6");
    CHECK(nvlink_label(pcie8, 0, 1) == "PIX");
    CHECK(nvlink_label(pcie8, 0, 2) == "NODE");
    CHECK(nvlink_label(pcie8, 0, 7) == "SYS");
    CHECK(nvlink_label(machine_named("dgx_a100x2"), 0, 8) == "NET");
    CHECK(nvlink_label(mi250, 0, 15) == "NS");
}

TEST_CASE("what is written reads back to the same matrix") {
    for (const char* name : {"dgx1p", "dgx1v", "p3_8xlarge", "dgx2", "dgx_a100", "hgx_h100", "hgx_h200_2", "pcie8"}) {
        CAPTURE(name);
        const std::string text = write_smi(machine_named(name));
        CHECK(write_smi(read_smi(text, name)) == text);
    }
}
