// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the driver tells of each GPU, and the topology that follows from it. No driver is called here, so that every
/// machine's facts can be made up in a test.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/machines/build.hpp>
#include <blink/topology/pcie_tree.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace blink {

/// Whether one GPU may read and write another one's memory.
enum class peer_access : unsigned char { unknown, no, yes };

/// One active NVLink of a GPU, by what is at its other end.
struct nvlink_fact {
    enum class remote : unsigned char { gpu, nvswitch, cpu, unknown };
    remote end = remote::unknown;
    std::string bus_id; ///< of the remote GPU
};

/// What is known of one GPU. The lists by peer are indexed by GPU; they may be empty, which means unknown.
struct gpu_facts {
    std::string name;
    std::string bus_id; ///< as NVML prints it, such as 00000000:1A:00.0
    int sm = 0;         ///< compute capability times ten: 70, 80, 90
    std::vector<nvlink_fact> links;
    int pcie_generation = 0; ///< 0 where it is not known
    int pcie_width = 0;      ///< lanes; 0 where it is not known
    std::vector<peer_access> peers;
    std::vector<bool> native_atomics; ///< the driver offers atomics on the peer's memory, as over NVLink
    std::vector<pcie_distance> distances;
};

/// Nominal speed of one NVLink of a GPU of this compute capability, GB/s each way.
[[nodiscard]] constexpr double nvlink_GBps(int sm) noexcept {
    if (sm >= 100) { return 50; }
    if (sm == 86) { return 14.0625; } // workstation boards with a bridge
    return sm >= 70 ? 25 : 20;
}

/// NVLinks that a GPU of this compute capability has at most.
[[nodiscard]] constexpr int most_nvlinks(int sm) noexcept {
    if (sm >= 90) { return 18; }
    if (sm >= 80) { return 12; }
    return sm >= 70 ? 6 : 4;
}

/// What a GPU reaches over its PCIe link, GB/s each way; PCIe 3.0 x16 where it is not known.
[[nodiscard]] constexpr double pcie_GBps(int generation, int width) noexcept {
    double x16 = pcie_gen3_GBps;
    if (generation == 1 || generation == 2) { x16 = pcie_gen3_GBps * generation / 4; }
    if (generation == 4) { x16 = pcie_gen4_GBps; }
    if (generation >= 5) { x16 = pcie_gen5_GBps; }
    return width > 0 ? x16 * std::min(width, 16) / 16 : x16;
}

namespace detail {

template <class T>
[[nodiscard]] T fact_about(const std::vector<T>& by_peer, std::size_t peer, T unknown) {
    return peer < by_peer.size() ? T(by_peer[peer]) : unknown;
}

/// Bus ids differ in the digits of the domain (0000:1A:00.0, 00000000:1a:00.0): the domain without leading zeros.
[[nodiscard]] inline std::string short_bus_id(std::string id) {
    std::ranges::transform(id, id.begin(), [](char c) { return c >= 'A' && c <= 'F' ? char(c - 'A' + 'a') : c; });
    return id.erase(0, std::min(id.find_first_not_of('0'), id.find(':')));
}

/// NVLinks between GPUs, and from each GPU into the switches.
struct nvlink_counts {
    std::vector<std::vector<int>> direct;
    std::vector<int> to_switch;
};

[[nodiscard]] inline bool may_reach(const std::vector<gpu_facts>& gpus, std::size_t a, std::size_t b) {
    return fact_about(gpus[a].peers, b, peer_access::unknown) != peer_access::no;
}

/// A link whose ends may not access each other carries nothing, and a link into a switch needs a peer to reach. Where
/// the other end is neither a GPU that is here nor named, it is taken for a switch if the GPU has peers: in virtual
/// machines the driver hides the switches.
[[nodiscard]] inline nvlink_counts count_nvlinks(const std::vector<gpu_facts>& gpus) {
    const std::size_t n = gpus.size();
    nvlink_counts counts{std::vector(n, std::vector<int>(n)), std::vector<int>(n)};
    for (std::size_t a = 0; a < n; ++a) {
        bool has_peer = false;
        for (std::size_t b = 0; b < n; ++b) { has_peer = has_peer || (a != b && may_reach(gpus, a, b)); }
        for (const nvlink_fact& l : gpus[a].links) {
            if (l.end == nvlink_fact::remote::cpu) { continue; }
            if (l.end != nvlink_fact::remote::gpu) {
                counts.to_switch[a] += has_peer ? 1 : 0;
                continue;
            }
            for (std::size_t b = 0; b < n; ++b) {
                const bool there = short_bus_id(gpus[b].bus_id) == short_bus_id(l.bus_id);
                if (a != b && there && may_reach(gpus, a, b)) { ++counts.direct[a][b]; }
            }
        }
    }
    return counts;
}

/// Where the driver names no NVLink at all, native atomics on peers' memory give NVLink away, though not how many
/// links. GPUs from A100 on reach all their peers over switches with all their links; of older ones one link is sure.
inline void guess_nvlinks(const std::vector<gpu_facts>& gpus, nvlink_counts& counts) {
    for (std::size_t a = 0; a < gpus.size(); ++a) {
        for (std::size_t b = 0; b < gpus.size(); ++b) {
            if (a == b || !fact_about(gpus[a].native_atomics, b, false) || !may_reach(gpus, a, b)) { continue; }
            if (gpus[a].sm == 80 || gpus[a].sm >= 90) {
                counts.to_switch[a] = most_nvlinks(gpus[a].sm);
            } else {
                counts.direct[a][b] = 1;
            }
        }
    }
}

[[nodiscard]] inline pcie_distances distances_of(const std::vector<gpu_facts>& gpus) {
    const auto n = static_cast<int>(gpus.size());
    pcie_distances d{n, n};
    for (int a = 0; a < n; ++a) {
        for (int b = a + 1; b < n; ++b) {
            const auto& known = gpus[static_cast<std::size_t>(a)].distances;
            d.set(a, b, fact_about(known, static_cast<std::size_t>(b), pcie_distance::unknown));
        }
    }
    return d;
}

/// The facts of the GPUs with these bus ids, and what each of them knows of the others.
/// @throw topology_error for a bus id that none of `all` has
[[nodiscard]] inline std::vector<gpu_facts> picked(const std::vector<gpu_facts>& all,
                                                   std::span<const std::string> bus_ids) {
    std::vector<std::size_t> numbers;
    for (const std::string& id : bus_ids) {
        const auto there = [&](const gpu_facts& f) { return short_bus_id(f.bus_id) == short_bus_id(id); };
        const auto found = std::ranges::find_if(all, there);
        if (found == all.end()) { throw topology_error("no driver tells this process of the GPU at " + id); }
        numbers.push_back(static_cast<std::size_t>(found - all.begin()));
    }
    const auto pick = [&](auto& by_peer) {
        if (by_peer.empty()) { return; }
        auto few = by_peer;
        few.clear();
        for (const std::size_t n : numbers) { few.push_back(by_peer.at(n)); }
        by_peer = few;
    };
    std::vector<gpu_facts> some;
    for (const std::size_t n : numbers) {
        gpu_facts& f = some.emplace_back(all[n]);
        pick(f.peers);
        pick(f.native_atomics);
        pick(f.distances);
    }
    return some;
}

} // namespace detail

/// The topology that the facts amount to: direct NVLinks, one NVSwitch for all links into switches, the PCIe tree.
/// @throw topology_error without a GPU
[[nodiscard]] inline topology assemble(const std::vector<gpu_facts>& gpus, std::string name = "this machine") {
    if (gpus.empty()) { throw topology_error("no NVIDIA GPU is visible"); }
    const auto n = static_cast<int>(gpus.size());
    detail::nvlink_counts counts = detail::count_nvlinks(gpus);
    const bool none = std::ranges::all_of(gpus, [](const gpu_facts& f) { return f.links.empty(); });
    if (none) { detail::guess_nvlinks(gpus, counts); }
    const auto on_switch = std::ranges::count_if(counts.to_switch, [](int lanes) { return lanes > 0; });
    std::vector<vertex_kind> vertices;
    if (on_switch > 1) { vertices.push_back(vertex_kind::nvswitch); }
    std::vector<double> pcie;
    for (const gpu_facts& f : gpus) { pcie.push_back(pcie_GBps(f.pcie_generation, f.pcie_width)); }
    const double socket = *std::ranges::max_element(pcie) >= pcie_gen5_GBps   ? detail::sapphire_rapids_socket_GBps
                          : *std::ranges::max_element(pcie) >= pcie_gen4_GBps ? detail::epyc_socket_GBps
                                                                              : detail::skylake_socket_GBps;
    const pcie_tree tree =
        make_pcie_tree(detail::distances_of(gpus), pcie, socket, n + static_cast<int>(vertices.size()));
    vertices.insert(vertices.end(), tree.vertices.begin(), tree.vertices.end());
    topology g{std::move(name), n, std::move(vertices)};
    for (int a = 0; a < n; ++a) {
        const auto i = static_cast<std::size_t>(a);
        const double lane = nvlink_GBps(gpus[i].sm);
        for (int b = a + 1; b < n; ++b) {
            const auto j = static_cast<std::size_t>(b);
            const int lanes = std::min(counts.direct[i][j], counts.direct[j][i]);
            if (lanes > 0) { g.connect({a, b, lanes * lane, lanes, link_kind::nvlink, 0}); }
        }
        if (on_switch > 1 && counts.to_switch[i] > 0) {
            g.connect({a, n, counts.to_switch[i] * lane, counts.to_switch[i], link_kind::nvlink, 0});
        }
    }
    for (const link& l : tree.links) { g.connect(l); }
    return g;
}

} // namespace blink
