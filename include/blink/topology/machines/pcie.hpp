// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Servers whose GPUs have no NVLink at all.
#pragma once

#include <blink/topology/machines/build.hpp>

namespace blink {
namespace detail {

consteval auto wired_pcie4() {
    machine_builder<4, 3, 4 + 2> b{"pcie4", usual_vertices<0, 2, 1>()};
    b.pcie_level(0, 4, 4, 2, pcie_gen3_GBps);
    b.pcie_level(4, 2, 6, 2, pcie_gen3_GBps);
    return b.done();
}

consteval auto wired_pcie8() {
    machine_builder<8, 6, 8 + 4 + 1> b{"pcie8", usual_vertices<0, 4, 2>()};
    b.pcie_level(0, 8, 8, 2, pcie_gen3_GBps);
    b.pcie_level(8, 4, 12, 2, pcie_gen3_GBps);
    b.connect(12, 13, skylake_socket_GBps, link_kind::pcie);
    return b.done();
}

} // namespace detail

/// Four GPUs on PCIe 3.0: two PCIe switches with two GPUs each, one socket.
inline constexpr auto pcie4 = detail::wired_pcie4();

/// Eight GPUs on PCIe 3.0: two sockets, each with two PCIe switches of two GPUs.
inline constexpr auto pcie8 = detail::wired_pcie8();

} // namespace blink
