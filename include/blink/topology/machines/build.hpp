// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How the named machines are wired together at compile time, and the speeds that their PCIe trees share.
///
/// PCIe speeds are what a GPU reaches over one x16 link per direction, not the raw rate of the wire. The speeds of the
/// link between sockets are those that NCCL plans with (src/graph/topo.h), since a data sheet's sum over all sockets'
/// links says little about traffic between GPUs.
#pragma once

#include <blink/topology/topology.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace blink {

inline constexpr double pcie_gen3_GBps = 10; ///< x16, effective
inline constexpr double pcie_gen4_GBps = 20; ///< x16, effective
inline constexpr double pcie_gen5_GBps = 50; ///< x16, effective

namespace detail {

inline constexpr double broadwell_socket_GBps = 6;        ///< NCCL: BDW_QPI_BW
inline constexpr double skylake_socket_GBps = 10;         ///< NCCL: SKL_QPI_BW
inline constexpr double epyc_socket_GBps = 16;            ///< NCCL: AMD_BW
inline constexpr double sapphire_rapids_socket_GBps = 22; ///< NCCL: SRP_QPI_BW

/// Collects full-duplex wires; `done` fails to compile unless exactly `Wires` came.
template <int Gpus, int Switches, int Wires>
class machine_builder {
  public:
    using machine = static_topology<Gpus, Switches, 2 * Wires>;

    consteval machine_builder(std::string_view name, const std::array<vertex_kind, Switches>& switches) {
        if (name.size() >= machine_.label.size()) { throw "the name of the machine is too long"; }
        std::ranges::copy(name, machine_.label.begin());
        std::ranges::copy(switches, machine_.kinds.begin() + Gpus);
    }

    /// A wire of `lanes` lanes with `GBps` in all, each way.
    consteval void connect(int a, int b, double GBps, link_kind kind, int lanes = 1) {
        if (used_ + 2 > machine_.wires.size()) { throw "more wires than the machine was declared with"; }
        machine_.wires[used_++] = {a, b, GBps, lanes, kind, 0};
        machine_.wires[used_++] = {b, a, GBps, lanes, kind, 0};
    }

    /// Direct NVLinks between GPUs, from the number of lanes that each pair has.
    template <std::size_t N>
    consteval void nvlinks(const std::array<std::array<int, N>, N>& lanes, double GBps_per_lane) {
        for (std::size_t a = 0; a < N; ++a) {
            for (std::size_t b = a + 1; b < N; ++b) {
                if (lanes[a][b] != lanes[b][a]) { throw "the link matrix is not symmetric"; }
                if (lanes[a][b] > 0) {
                    connect(static_cast<int>(a), static_cast<int>(b), lanes[a][b] * GBps_per_lane, link_kind::nvlink,
                            lanes[a][b]);
                }
            }
        }
    }

    /// Every GPU on the NVSwitch `hub` by `lanes` lanes.
    consteval void nvswitch(int hub, double GBps_per_gpu, int lanes) {
        for (int g = 0; g < Gpus; ++g) { connect(g, hub, GBps_per_gpu, link_kind::nvlink, lanes); }
    }

    /// PCIe: `per_switch` children (from `first_child` on) under each switch (from `first_switch` on).
    consteval void pcie_level(int first_child, int children, int first_switch, int per_switch, double GBps) {
        for (int i = 0; i < children; ++i) {
            connect(first_child + i, first_switch + i / per_switch, GBps, link_kind::pcie);
        }
    }

    consteval machine done() const {
        if (used_ != machine_.wires.size()) { throw "fewer wires than the machine was declared with"; }
        return machine_;
    }

  private:
    machine machine_{};
    std::size_t used_ = 0;
};

/// `switches` PCIe switches, then `hosts` sockets, after `hubs` NVSwitches: the vertices of most machines.
template <int Hubs, int Switches, int Hosts>
consteval std::array<vertex_kind, Hubs + Switches + Hosts> usual_vertices() {
    std::array<vertex_kind, Hubs + Switches + Hosts> kinds{};
    std::ranges::fill(kinds.begin(), kinds.begin() + Hubs, vertex_kind::nvswitch);
    std::ranges::fill(kinds.begin() + Hubs, kinds.begin() + Hubs + Switches, vertex_kind::pcie_switch);
    std::ranges::fill(kinds.begin() + Hubs + Switches, kinds.end(), vertex_kind::host);
    return kinds;
}

} // namespace detail
} // namespace blink
