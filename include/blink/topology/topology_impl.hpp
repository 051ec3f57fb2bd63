// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How the graph of a machine is built, and cut down to some of its GPUs.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/topology/topology.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

BLINK_INLINE topology::topology(std::string name, int gpus, std::vector<vertex_kind> switches)
    : name_(std::move(name)) {
    if (gpus < 1) { throw topology_error(name_ + ": a topology needs at least one GPU, not " + std::to_string(gpus)); }
    gpus_ = gpus;
    kinds_.assign(static_cast<std::size_t>(gpus), vertex_kind::gpu);
    kinds_.insert(kinds_.end(), switches.begin(), switches.end());
}

BLINK_INLINE void topology::add_link(const link& l) {
    const auto unknown = [this](int v) { return v < 0 || v >= vertex_count(); };
    const std::string what = name_ + ": link " + std::to_string(l.from) + " -> " + std::to_string(l.to);
    if (unknown(l.from) || unknown(l.to)) {
        throw topology_error(what + " names a vertex outside 0.." + std::to_string(vertex_count() - 1));
    }
    if (l.from == l.to) { throw topology_error(what + " joins a vertex to itself"); }
    if (!(l.GBps > 0) || l.GBps > 1e6) {
        throw topology_error(what + " carries " + std::to_string(l.GBps) + " GB/s: expected more than 0, at most 1e6");
    }
    if (l.lanes < 1) { throw topology_error(what + " has " + std::to_string(l.lanes) + " lanes: expected 1 or more"); }
    links_.push_back(l);
}

BLINK_INLINE topology induced(const topology& g, std::span<const int> ranks, std::span<const int> relays) {
    if (ranks.empty()) { throw usage_error(g.name() + ": no ranks were given"); }
    std::vector<int> renumbered(static_cast<std::size_t>(g.vertex_count()), -1);
    int next = 0;
    const auto take = [&](int gpu, const std::string& what) {
        if (gpu < 0 || gpu >= g.gpu_count()) {
            throw usage_error(g.name() + ": " + what + " " + std::to_string(gpu) + " is none of its GPUs 0.." +
                              std::to_string(g.gpu_count() - 1));
        }
        int& number = renumbered[static_cast<std::size_t>(gpu)];
        if (number != -1) {
            const bool takes_part = number < static_cast<int>(ranks.size()) && what == "relay";
            throw usage_error(g.name() + ": " + what + " " + std::to_string(gpu) +
                              (takes_part ? " takes part as a rank" : " is given twice"));
        }
        number = next++;
    };
    for (const int r : ranks) { take(r, "rank"); }
    for (const int r : relays) { take(r, "relay"); }
    std::vector<vertex_kind> others(relays.size(), vertex_kind::gpu);
    for (int v = g.gpu_count(); v < g.vertex_count(); ++v) {
        others.push_back(g.kind_of(v));
        renumbered[static_cast<std::size_t>(v)] = next++;
    }
    topology result{g.name(), static_cast<int>(ranks.size()), std::move(others)};
    for (link l : g.links()) {
        l.from = renumbered[static_cast<std::size_t>(l.from)];
        l.to = renumbered[static_cast<std::size_t>(l.to)];
        if (l.from != -1 && l.to != -1) { result.add_link(l); }
    }
    return result;
}

} // namespace blink
