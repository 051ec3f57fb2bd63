// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From wires to hops: which rank can send straight to which, and which links such a hop loads.
///
/// A hop leads over one direct link or through switches; through another GPU only where a plan is given relays, or
/// where a baseline leads its rings that way. The packer builds trees of hops and counts their load on the links
/// beneath, so direct links, NVSwitches and PCIe trees are one case.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/topology/topology.hpp>

#include <utility>
#include <vector>

namespace blink {

/// Which wires a plan may use. `automatic`: NVLink and network where they join all ranks, else PCIe.
enum class link_choice : unsigned char { automatic, nvlink, pcie, all };

/// A hop from one rank to another.
struct arc {
    int from = 0;
    int to = 0;
    std::vector<int> route; ///< indices into `fabric::links`, in the order in which data cross them

    friend bool operator==(const arc&, const arc&) = default;
};

/// The hops that a set of ranks has, over the links that carry them.
struct fabric {
    int ranks = 0;
    int vertices = 0;        ///< ranks and switches
    std::vector<link> links; ///< capacities; vertices 0 .. ranks-1 are the ranks
    std::vector<arc> arcs;

    friend bool operator==(const fabric&, const fabric&) = default;
};

/// Capacity of a hop alone on the wires: its narrowest link, in GB/s.
[[nodiscard]] BLINK_INLINE double hop_GBps(const fabric& f, const arc& a);

/// The hops among all GPUs of `g` (see `induced` for a subset) over the links of `choice`.
/// @throw plan_error naming the ranks that cannot reach rank 0, or be reached from it
[[nodiscard]] BLINK_INLINE fabric make_fabric(const topology& g, link_choice choice = link_choice::automatic);

/// Adds a hop over a route of its own.
/// @throw plan_error where the route is no way from the one rank to the other through switches alone
BLINK_INLINE void add_hop(fabric& f, arc a);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/topology/fabric_impl.hpp>
#endif
