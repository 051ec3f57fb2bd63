// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Machines whose GPUs hang on NVSwitches. The switches of a machine are non-blocking together, so they are one
/// vertex, and what limits a GPU is the sum of its NVLinks.
#pragma once

#include <blink/topology/machines/build.hpp>

namespace blink {
namespace detail {

/// 16 GPUs: two to a PCIe switch, two of those under another one, two of these to a socket.
consteval auto wired_dgx2() {
    constexpr int hub = 16;
    constexpr int leaves = 17;
    constexpr int uppers = 25;
    constexpr int hosts = 29;
    machine_builder<16, 1 + 12 + 2, 16 + 16 + 8 + 4 + 1> b{"dgx2", usual_vertices<1, 12, 2>()};
    b.nvswitch(hub, 150, 6);
    b.pcie_level(0, 16, leaves, 2, pcie_gen3_GBps);
    b.pcie_level(leaves, 8, uppers, 2, pcie_gen3_GBps);
    b.pcie_level(uppers, 4, hosts, 2, pcie_gen3_GBps);
    b.connect(hosts, hosts + 1, skylake_socket_GBps, link_kind::pcie);
    return b.done();
}

/// Two GPUs to a PCIe switch, two switches to a socket.
consteval auto wired_dgx_a100() {
    machine_builder<8, 1 + 4 + 2, 8 + 8 + 4 + 1> b{"dgx_a100", usual_vertices<1, 4, 2>()};
    b.nvswitch(8, 300, 12);
    b.pcie_level(0, 8, 9, 2, pcie_gen4_GBps);
    b.pcie_level(9, 4, 13, 2, pcie_gen4_GBps);
    b.connect(13, 14, epyc_socket_GBps, link_kind::pcie);
    return b.done();
}

/// A PCIe switch for each GPU and its NIC, four of them to a socket.
consteval auto wired_hgx_h100() {
    machine_builder<8, 1 + 8 + 2, 8 + 8 + 8 + 1> b{"hgx_h100", usual_vertices<1, 8, 2>()};
    b.nvswitch(8, 450, 18);
    b.pcie_level(0, 8, 9, 1, pcie_gen5_GBps);
    b.pcie_level(9, 8, 17, 4, pcie_gen5_GBps);
    b.connect(17, 18, sapphire_rapids_socket_GBps, link_kind::pcie);
    return b.done();
}

/// Two GPUs, each with its own PCIe link into one socket.
consteval auto wired_hgx_h200_2() {
    machine_builder<2, 2, 4> b{"hgx_h200_2", usual_vertices<1, 0, 1>()};
    b.nvswitch(2, 450, 18);
    b.pcie_level(0, 2, 3, 2, pcie_gen5_GBps);
    return b.done();
}

} // namespace detail

/// DGX-2: 16 V100, six NVLinks of 25 GB/s from each into the switches.
inline constexpr auto dgx2 = detail::wired_dgx2();

/// DGX A100: eight A100, twelve NVLinks of 25 GB/s from each.
inline constexpr auto dgx_a100 = detail::wired_dgx_a100();

/// HGX H100 (DGX H100): eight H100, 18 NVLinks of 25 GB/s from each.
inline constexpr auto hgx_h100 = detail::wired_hgx_h100();

/// Two H200 of an HGX board, 18 NVLinks of 25 GB/s from each.
inline constexpr auto hgx_h200_2 = detail::wired_hgx_h200_2();

} // namespace blink
