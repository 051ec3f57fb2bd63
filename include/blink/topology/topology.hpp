// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The capacity graph: which wires join which GPUs, and how much they carry.
///
/// Vertices 0 .. gpu_count()-1 are GPUs; switches, PCIe switches, hosts and network switches follow. Links are
/// directed; a full-duplex wire is two links. One concept, two models: `topology` at run time and
/// `static_topology` for machines known to the compiler.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

enum class vertex_kind : std::uint8_t { gpu, nvswitch, pcie_switch, host, network_switch };
enum class link_kind : std::uint8_t { nvlink, pcie, network };

[[nodiscard]] constexpr std::string_view to_string(vertex_kind k) noexcept {
    constexpr std::array names{"gpu", "nvswitch", "pcie_switch", "host", "network_switch"};
    return names[static_cast<std::size_t>(k)];
}

[[nodiscard]] constexpr std::string_view to_string(link_kind k) noexcept {
    constexpr std::array names{"nvlink", "pcie", "network"};
    return names[static_cast<std::size_t>(k)];
}

/// One direction of a wire, or of a bundle of equal wires.
struct link {
    int from = 0;
    int to = 0;
    double GBps = 0; ///< capacity of the whole bundle in this direction, 1e9 bytes per second
    int lanes = 1;   ///< wires in the bundle; each carries GBps / lanes
    link_kind kind = link_kind::nvlink;
    double latency_us = 0; ///< time for the first byte to arrive; 0 where it is not known

    friend constexpr bool operator==(const link&, const link&) = default;
};

/// What the planner needs to know of a machine.
template <class G>
concept capacity_graph = requires(const G& g, int v) {
    { g.name() } -> std::convertible_to<std::string_view>;
    { g.gpu_count() } -> std::same_as<int>;
    { g.vertex_count() } -> std::same_as<int>;
    { g.kind_of(v) } -> std::same_as<vertex_kind>;
    { g.links() } -> std::convertible_to<std::span<const link>>;
};

/// A machine that the compiler knows: a literal, structural type, usable in constant expressions and as a template
/// argument of host templates (not of kernels: nvcc's host stubs cannot spell arrays in template arguments).
template <int Gpus, int Switches, int Links>
struct static_topology {
    std::array<char, 24> label{};
    std::array<vertex_kind, Gpus + Switches> kinds{};
    std::array<link, Links> wires{};

    [[nodiscard]] constexpr std::string_view name() const noexcept { return {label.data()}; }
    [[nodiscard]] static constexpr int gpu_count() noexcept { return Gpus; }
    [[nodiscard]] static constexpr int vertex_count() noexcept { return Gpus + Switches; }
    [[nodiscard]] constexpr vertex_kind kind_of(int v) const { return kinds[static_cast<std::size_t>(v)]; }
    [[nodiscard]] constexpr std::span<const link> links() const noexcept { return wires; }
};

/// A machine that was probed, read from a file or built by hand.
class topology {
  public:
    /// @param name what pictures and plans call the machine
    /// @param gpus how many GPUs; they are vertices 0 .. gpus-1
    /// @param switches the kinds of the vertices that follow
    /// @throw topology_error without a GPU, or with a negative count
    BLINK_INLINE explicit topology(std::string name, int gpus, std::vector<vertex_kind> switches = {});

    /// The same machine, at run time.
    template <capacity_graph G>
    requires(!std::same_as<G, topology>) explicit topology(const G& g) : name_(g.name()), gpus_(g.gpu_count()) {
        for (int v = 0; v < g.vertex_count(); ++v) { kinds_.push_back(g.kind_of(v)); }
        for (const link& l : g.links()) { add_link(l); }
    }

    /// Adds one direction.
    /// @throw topology_error for an unknown vertex, a loop, or a capacity or lane count that is not positive and finite
    BLINK_INLINE void add_link(const link& l);

    /// Adds a full-duplex wire: both directions of `l`.
    void connect(link l) {
        add_link(l);
        std::swap(l.from, l.to);
        add_link(l);
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] int gpu_count() const noexcept { return gpus_; }
    [[nodiscard]] int vertex_count() const noexcept { return static_cast<int>(kinds_.size()); }
    [[nodiscard]] vertex_kind kind_of(int v) const { return kinds_.at(static_cast<std::size_t>(v)); }
    [[nodiscard]] std::span<const link> links() const noexcept { return links_; }

    friend bool operator==(const topology&, const topology&) = default;

  private:
    std::string name_;
    int gpus_ = 0;
    std::vector<vertex_kind> kinds_;
    std::vector<link> links_;
};

/// The graph that the GPUs `ranks` see: rank i is vertex i, then come the relays in their order, then every switch;
/// other GPUs and their links go. A relay is not counted among the GPUs of the new graph: like a switch, data pass
/// through it, and nothing starts or ends there.
/// @throw usage_error for an unknown or repeated GPU, or for no rank
[[nodiscard]] BLINK_INLINE topology induced(const topology& g, std::span<const int> ranks,
                                            std::span<const int> relays = {});

/// The same for a machine that the compiler knows.
template <capacity_graph G>
requires(!std::same_as<G, topology>) [[nodiscard]] topology
    induced(const G& g, std::span<const int> ranks, std::span<const int> relays = {}) {
    return induced(topology(g), ranks, relays);
}

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/topology/topology_impl.hpp>
#endif
