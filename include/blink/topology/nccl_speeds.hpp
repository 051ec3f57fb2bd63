// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The speeds behind the words of NCCL's topology files: NVLinks by compute capability, PCIe links by their rate and
/// width, links between sockets by processor. Reader and writer share these tables.
///
/// NCCL plans with effective speeds of NVLinks (src/graph/topo.h: 20.6 GB/s for one of an H100); Blink takes nominal
/// ones everywhere, and takes PCIe as its named machines do. Speeds between sockets are NCCL's.
#pragma once

#include <blink/topology/machines/build.hpp>

#include <array>
#include <string_view>

namespace blink::detail {

/// What one NVLink of a GPU of compute capability `sm` (90 for 9.0) carries each way, in GB/s.
[[nodiscard]] constexpr double nvlink_GBps(int sm) noexcept {
    if (sm >= 100) { return 50; }
    if (sm >= 86 && sm < 90) { return 14.0625; } // GA102: links of half the width
    return sm >= 70 ? 25 : 20;
}

/// A rate of PCIe as Linux spells it since 5.7, and what sixteen lanes of it carry each way.
struct pcie_rate {
    double GTps;
    std::string_view spelling;
    double x16_GBps;
};

inline constexpr std::array<pcie_rate, 6> pcie_rates{{{8, "8.0 GT/s PCIe", pcie_gen3_GBps},
                                                      {16, "16.0 GT/s PCIe", pcie_gen4_GBps},
                                                      {32, "32.0 GT/s PCIe", pcie_gen5_GBps},
                                                      {64, "64.0 GT/s PCIe", 2 * pcie_gen5_GBps},
                                                      {5, "5.0 GT/s PCIe", pcie_gen3_GBps / 2},
                                                      {2.5, "2.5 GT/s PCIe", pcie_gen3_GBps / 4}}};

/// A processor in NCCL's words.
struct nccl_cpu {
    std::string_view arch = "x86_64";
    std::string_view vendor = "GenuineIntel";
    int family = 6;
    int model = 0x55;
};

/// What the link between two sockets with such processors carries each way, as NCCL tells them apart.
[[nodiscard]] constexpr double socket_GBps(const nccl_cpu& c) noexcept {
    if (c.arch == "ppc64") { return 32; }
    if (c.arch == "arm64") { return 6; }
    if (c.vendor == "AuthenticAMD") {
        // Zen 5, Zen 3 and 4, and the older ones; files from before NCCL 2.26 give the sum of two fields of CPUID.
        return c.family == 26 || c.family == 0xBF ? 32 : c.family == 25 || c.family == 0xAF ? 24 : epyc_socket_GBps;
    }
    if (c.vendor != "GenuineIntel") { return broadwell_socket_GBps; }
    const bool newest = c.model >= 0xCF || (c.model >= 0xAD && c.model <= 0xAF);
    if (c.family != 6 || c.model < 0x55) { return broadwell_socket_GBps; }
    return newest ? 40 : c.model >= 0x8F ? sapphire_rapids_socket_GBps : skylake_socket_GBps;
}

/// One processor for each speed that a file can express.
inline constexpr std::array<nccl_cpu, 7> nccl_cpus{{{"x86_64", "GenuineIntel", 6, 0x55},
                                                    {"x86_64", "GenuineIntel", 6, 0x4F},
                                                    {"x86_64", "GenuineIntel", 6, 0x8F},
                                                    {"x86_64", "AuthenticAMD", 23, 0x31},
                                                    {"x86_64", "GenuineIntel", 6, 0xCF},
                                                    {"x86_64", "AuthenticAMD", 25, 0x11},
                                                    {"x86_64", "AuthenticAMD", 26, 0x02}}};

} // namespace blink::detail
