// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A PCIe tree from what NVIDIA's tools say of pairs of devices: how far up data must go to get from one to the other.
///
/// Devices that say "one bridge" of each other share a switch, "several bridges" an upper switch, "host bridge" or
/// "node" a host, and hosts are joined to each other. GPUs joined by NVLink hide their PCIe class in the usual matrix;
/// then NICs that they share and their CPU affinity place them.
#pragma once

#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// What data cross between two devices, in the words of `nvidia-smi topo -m`.
enum class pcie_distance : std::uint8_t { pix, pxb, phb, node, sys, unknown };

/// Distances among GPUs (devices 0 .. gpus-1) and other devices, such as NICs.
class pcie_distances {
  public:
    pcie_distances(int gpus, int devices)
        : gpus_(gpus), devices_(devices),
          between_(static_cast<std::size_t>(devices) * static_cast<std::size_t>(devices), pcie_distance::unknown),
          affinity_(static_cast<std::size_t>(gpus)) {}

    [[nodiscard]] int gpus() const noexcept { return gpus_; }
    [[nodiscard]] int devices() const noexcept { return devices_; }
    [[nodiscard]] pcie_distance operator()(int a, int b) const { return between_.at(index(a, b)); }

    /// Text that is equal for GPUs of one socket or NUMA node; empty where it is not known.
    [[nodiscard]] const std::string& affinity(int gpu) const { return affinity_.at(static_cast<std::size_t>(gpu)); }

    void set_affinity(int gpu, std::string text) { affinity_.at(static_cast<std::size_t>(gpu)) = std::move(text); }

    void set(int a, int b, pcie_distance d) {
        between_.at(index(a, b)) = d;
        between_.at(index(b, a)) = d;
    }

  private:
    [[nodiscard]] std::size_t index(int a, int b) const noexcept {
        return static_cast<std::size_t>(a) * static_cast<std::size_t>(devices_) + static_cast<std::size_t>(b);
    }

    int gpus_;
    int devices_;
    std::vector<pcie_distance> between_;
    std::vector<std::string> affinity_;
};

/// The switches and hosts of a PCIe tree, with the links among them and the GPUs.
struct pcie_tree {
    std::vector<vertex_kind> vertices;
    std::vector<link> links; ///< one direction each; meant for `topology::connect`
};

namespace detail {

/// Devices by group; two devices are in one group when their labels are equal.
class grouping {
  public:
    explicit grouping(int devices) {
        for (int d = 0; d < devices; ++d) { label_.push_back(d); }
    }

    [[nodiscard]] int of(int device) const { return label_[static_cast<std::size_t>(device)]; }

    void unite(int a, int b) {
        const auto [low, high] = std::minmax({of(a), of(b)});
        std::ranges::replace(label_, high, low);
    }

  private:
    std::vector<int> label_;
};

/// True where a member of a's group is known to be on another socket than a member of b's group.
[[nodiscard]] inline bool on_other_sockets(const pcie_distances& d, const grouping& g, int a, int b) {
    for (int x = 0; x < d.devices(); ++x) {
        for (int y = 0; y < d.devices(); ++y) {
            if (g.of(x) == g.of(a) && g.of(y) == g.of(b) && d(x, y) == pcie_distance::sys) { return true; }
        }
    }
    return false;
}

/// Groups of devices that reach each other within `reach`.
[[nodiscard]] inline grouping within(const pcie_distances& d, pcie_distance reach) {
    grouping g{d.devices()};
    for (int a = 0; a < d.devices(); ++a) {
        for (int b = a + 1; b < d.devices(); ++b) {
            if (d(a, b) <= reach) { g.unite(a, b); }
        }
    }
    return g;
}

/// Groups of devices that share a host: known so, then of equal affinity, then those of which nothing speaks against.
[[nodiscard]] inline grouping on_hosts(const pcie_distances& d) {
    grouping g = within(d, pcie_distance::node);
    for (const bool by_affinity : {true, false}) {
        for (int a = 0; a < d.gpus(); ++a) {
            for (int b = a + 1; b < d.gpus(); ++b) {
                const std::string& affine_a = d.affinity(a);
                const std::string& affine_b = d.affinity(b);
                const bool known = !affine_a.empty() && !affine_b.empty();
                const bool wanted = by_affinity ? known && affine_a == affine_b : !known;
                if (wanted && d(a, b) == pcie_distance::unknown && !on_other_sockets(d, g, a, b)) { g.unite(a, b); }
            }
        }
    }
    return g;
}

} // namespace detail

/// The tree that the distances describe.
/// @param gpu_GBps what each GPU's own PCIe link carries
/// @param socket_GBps what the link between two hosts carries
/// @param first number of the first vertex of the tree in its topology
[[nodiscard]] inline pcie_tree make_pcie_tree(const pcie_distances& d, std::span<const double> gpu_GBps,
                                              double socket_GBps, int first) {
    struct top {
        int vertex;
        double GBps;
    };
    pcie_tree tree;
    std::vector<top> tops; // by GPU: the highest vertex above it so far
    for (int g = 0; g < d.gpus(); ++g) { tops.push_back({g, gpu_GBps[static_cast<std::size_t>(g)]}); }
    const auto add_level = [&](const detail::grouping& groups, vertex_kind kind) {
        for (int leader = 0; leader < d.gpus(); ++leader) {
            std::vector<top> children;
            bool done = false;
            for (int g = 0; g < d.gpus(); ++g) {
                if (groups.of(g) != groups.of(leader)) { continue; }
                done = done || g < leader;
                const top& t = tops[static_cast<std::size_t>(g)];
                const bool again = std::ranges::any_of(children, [&](const top& c) { return c.vertex == t.vertex; });
                if (!again) { children.push_back(t); }
            }
            if (done || (children.size() < 2 && kind != vertex_kind::host)) { continue; }
            const int parent = first + static_cast<int>(tree.vertices.size());
            tree.vertices.push_back(kind);
            double widest = 0;
            for (const top& c : children) {
                tree.links.push_back({c.vertex, parent, c.GBps, 1, link_kind::pcie, 0});
                widest = std::max(widest, c.GBps);
            }
            for (int g = leader; g < d.gpus(); ++g) {
                if (groups.of(g) == groups.of(leader)) { tops[static_cast<std::size_t>(g)] = {parent, widest}; }
            }
        }
    };
    add_level(detail::within(d, pcie_distance::pix), vertex_kind::pcie_switch);
    add_level(detail::within(d, pcie_distance::pxb), vertex_kind::pcie_switch);
    const auto switches = static_cast<int>(tree.vertices.size());
    add_level(detail::on_hosts(d), vertex_kind::host);
    for (int a = first + switches; a < first + static_cast<int>(tree.vertices.size()); ++a) {
        for (int b = a + 1; b < first + static_cast<int>(tree.vertices.size()); ++b) {
            tree.links.push_back({a, b, socket_GBps, 1, link_kind::pcie, 0});
        }
    }
    return tree;
}

} // namespace blink
