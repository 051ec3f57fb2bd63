// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// NVIDIA DGX-1 with P100 and with V100: the hybrid cube-mesh, and the four-GPU half of it that clouds rent.
///
/// Source of the wiring: the `nvidia-smi topo -m` output of such machines, of which several independent ones agree.
/// Other eight-V100 servers are wired differently; read their matrix with `read_smi` instead.
#pragma once

#include <blink/topology/machines/build.hpp>

namespace blink {
namespace detail {

/// NVLinks between the GPUs of a DGX-1 with V100: six a GPU, double ones along the ring 0-3-2-1-5-6-7-4.
inline constexpr std::array<std::array<int, 8>, 8> dgx1v_lanes{{
    {0, 1, 1, 2, 2, 0, 0, 0},
    {1, 0, 2, 1, 0, 2, 0, 0},
    {1, 2, 0, 2, 0, 0, 1, 0},
    {2, 1, 2, 0, 0, 0, 0, 1},
    {2, 0, 0, 0, 0, 1, 1, 2},
    {0, 2, 0, 0, 1, 0, 2, 1},
    {0, 0, 1, 0, 1, 2, 0, 2},
    {0, 0, 0, 1, 2, 1, 2, 0},
}};

/// With P100: the same pairs, one NVLink each; four a GPU.
consteval std::array<std::array<int, 8>, 8> dgx1p_lanes() {
    auto lanes = dgx1v_lanes;
    for (auto& row : lanes) {
        for (int& n : row) { n = n > 0 ? 1 : 0; }
    }
    return lanes;
}

/// Eight GPUs, a PCIe switch for each two of them, two switches a socket.
consteval auto wired_dgx1(std::string_view name, const std::array<std::array<int, 8>, 8>& lanes, double GBps_per_lane) {
    constexpr int switches = 8;
    constexpr int hosts = 12;
    machine_builder<8, 6, 16 + 8 + 4 + 1> b{name, usual_vertices<0, 4, 2>()};
    b.nvlinks(lanes, GBps_per_lane);
    b.pcie_level(0, 8, switches, 2, pcie_gen3_GBps);
    b.pcie_level(switches, 4, hosts, 2, pcie_gen3_GBps);
    b.connect(hosts, hosts + 1, broadwell_socket_GBps, link_kind::pcie);
    return b.done();
}

/// GPUs 0..3 of a DGX-1 with V100 and their PCIe tree.
consteval auto wired_p3_8xlarge() {
    std::array<std::array<int, 4>, 4> lanes{};
    for (std::size_t a = 0; a < 4; ++a) {
        for (std::size_t b = 0; b < 4; ++b) { lanes[a][b] = dgx1v_lanes[a][b]; }
    }
    machine_builder<4, 3, 6 + 4 + 2> b{"p3_8xlarge", usual_vertices<0, 2, 1>()};
    b.nvlinks(lanes, 25);
    b.pcie_level(0, 4, 4, 2, pcie_gen3_GBps);
    b.pcie_level(4, 2, 6, 2, pcie_gen3_GBps);
    return b.done();
}

} // namespace detail

/// DGX-1 with eight P100, NVLinks of 20 GB/s.
inline constexpr auto dgx1p = detail::wired_dgx1("dgx1p", detail::dgx1p_lanes(), 20);

/// DGX-1 with eight V100, NVLinks of 25 GB/s.
inline constexpr auto dgx1v = detail::wired_dgx1("dgx1v", detail::dgx1v_lanes, 25);

/// Cloud server with four V100, all pairs joined by NVLinks of 25 GB/s.
inline constexpr auto p3_8xlarge = detail::wired_p3_8xlarge();

} // namespace blink
