// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reads the matrix that `nvidia-smi topo -m` prints, as people paste it: tabs or spaces, terminal escapes, quote
/// marks, rules of tables, carriage returns, lines cut between cells, NIC and affinity columns, a prompt before it and
/// a legend after it.
///
/// The matrix tells how many NVLinks join two GPUs but neither their speed nor whether an NVSwitch is between; the
/// options say the first, and the second follows where the links outnumber those that a GPU has.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/machines/build.hpp>
#include <blink/topology/pcie_tree.hpp>
#include <blink/topology/smi_matrix.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

/// What the matrix leaves open.
struct smi_options {
    double GBps_per_lane = 25; ///< of one NVLink, each way
    int lanes_per_gpu = 18;    ///< NVLinks of a GPU; more of them in a row prove an NVSwitch
    double pcie_GBps = 0;      ///< of a GPU's PCIe link; 0: as usual for GPUs with so many NVLinks
    double socket_GBps = detail::skylake_socket_GBps;

    /// The options for NVLink 1 (P100), 2 (V100), 3 (A100), 4 (H100, H200) or 5 (B200).
    /// @throw usage_error for another number
    [[nodiscard]] static smi_options for_nvlink(int generation) {
        switch (generation) {
        case 1:
            return {20, 4, pcie_gen3_GBps, detail::broadwell_socket_GBps};
        case 2:
            return {25, 6, pcie_gen3_GBps, detail::skylake_socket_GBps};
        case 3:
            return {25, 12, pcie_gen4_GBps, detail::epyc_socket_GBps};
        case 4:
            return {25, 18, pcie_gen5_GBps, detail::sapphire_rapids_socket_GBps};
        case 5:
            return {50, 18, pcie_gen5_GBps, detail::sapphire_rapids_socket_GBps};
        default:
            throw usage_error("NVLink generation " + std::to_string(generation) + " is not known: expected 1 to 5");
        }
    }
};

namespace detail {

/// GPUs that NVLinks join, directly or over others, with what they show of a switch between them.
struct nvlink_island {
    std::vector<int> gpus;
    bool complete = true; ///< every pair is joined
    bool uniform = true;  ///< by the same number of links
    int most_lanes = 0;   ///< of a pair
    int most_in_row = 0;  ///< of a GPU, if all its links were direct
};

[[nodiscard]] inline std::vector<nvlink_island> nvlink_islands(const smi_matrix& m) {
    grouping joined{m.gpus};
    for (int a = 0; a < m.gpus; ++a) {
        for (int b = a + 1; b < m.gpus; ++b) {
            if (m.nvlinks(a, b) > 0) { joined.unite(a, b); }
        }
    }
    std::vector<nvlink_island> islands;
    for (int leader = 0; leader < m.gpus; ++leader) {
        if (joined.of(leader) != leader) { continue; }
        nvlink_island island;
        for (int g = leader; g < m.gpus; ++g) {
            if (joined.of(g) == leader) { island.gpus.push_back(g); }
        }
        for (const int a : island.gpus) {
            int row = 0;
            for (const int b : island.gpus) {
                if (a == b) { continue; }
                const int lanes = m.nvlinks(a, b);
                row += lanes;
                island.complete = island.complete && lanes > 0;
                island.uniform = island.uniform && lanes == m.nvlinks(island.gpus[0], island.gpus[1]);
                island.most_lanes = std::max(island.most_lanes, lanes);
            }
            island.most_in_row = std::max(island.most_in_row, row);
        }
        if (island.gpus.size() > 1) { islands.push_back(std::move(island)); }
    }
    return islands;
}

/// Twelve links to one GPU come from A100 and later, which reach their peers over NVSwitches.
[[nodiscard]] inline bool has_switch(const nvlink_island& i, const smi_options& o) {
    return i.complete && ((i.uniform && i.most_lanes >= 12) || i.most_in_row > o.lanes_per_gpu);
}

[[nodiscard]] inline double usual_pcie_GBps(const std::vector<nvlink_island>& islands) {
    int most = 0;
    for (const nvlink_island& i : islands) { most = std::max(most, i.most_lanes); }
    return most > 12 ? pcie_gen5_GBps : most > 6 ? pcie_gen4_GBps : pcie_gen3_GBps;
}

inline void add_island(topology& g, const smi_matrix& m, const nvlink_island& island, const smi_options& o, int hub,
                       std::string_view file) {
    for (const int a : island.gpus) {
        int most = 0;
        int row = 0;
        for (const int b : island.gpus) {
            const int lanes = m.nvlinks(a, b);
            most = std::max(most, lanes);
            row += lanes;
            if (hub < 0 && a < b && lanes > 0) {
                g.connect({a, b, lanes * o.GBps_per_lane, lanes, link_kind::nvlink, 0});
            }
        }
        if (hub >= 0) {
            g.connect({a, hub, most * o.GBps_per_lane, most, link_kind::nvlink, 0});
        } else if (row > o.lanes_per_gpu) {
            throw topology_error(file, m.row_lines[static_cast<std::size_t>(a)],
                                 "found " + std::to_string(row) + " NVLinks on GPU" + std::to_string(a) +
                                     ", expected at most " + std::to_string(o.lanes_per_gpu));
        }
    }
}

} // namespace detail

/// Reads the text of `nvidia-smi topo -m`.
/// @param file what errors call the text, and the topology's name
/// @throw topology_error with the file, the line, what was found and what was expected
[[nodiscard]] inline topology read_smi(std::string_view text, std::string_view file, const smi_options& options = {}) {
    const detail::smi_matrix m = detail::smi_parser(text, file).matrix();
    const auto islands = detail::nvlink_islands(m);
    std::vector<vertex_kind> vertices;
    std::vector<int> hubs; // by island: the number of its NVSwitch, or -1
    for (const auto& i : islands) {
        const bool hub = detail::has_switch(i, options);
        hubs.push_back(hub ? m.gpus + static_cast<int>(vertices.size()) : -1);
        if (hub) { vertices.push_back(vertex_kind::nvswitch); }
    }
    const double pcie = options.pcie_GBps > 0 ? options.pcie_GBps : detail::usual_pcie_GBps(islands);
    const std::vector<double> speeds(static_cast<std::size_t>(m.gpus), pcie);
    const int first = m.gpus + static_cast<int>(vertices.size());
    const pcie_tree tree = make_pcie_tree(m.pcie, speeds, options.socket_GBps, first);
    vertices.insert(vertices.end(), tree.vertices.begin(), tree.vertices.end());
    topology g{std::string(file), m.gpus, std::move(vertices)};
    for (std::size_t i = 0; i < islands.size(); ++i) { detail::add_island(g, m, islands[i], options, hubs[i], file); }
    for (const link& l : tree.links) { g.connect(l); }
    return g;
}

} // namespace blink
