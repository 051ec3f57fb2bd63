// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How ranks and relays are placed on CUDA devices.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/communicator/placement.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace blink {

BLINK_INLINE int placement::relay_device(int gpu, int number) const {
    std::vector<int> shared = devices; // each once; ranks of one device are neighbours
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    const int device = relays == relay_devices::own     ? gpu
                       : relays == relay_devices::spare ? size() + number
                                                        : shared[static_cast<std::size_t>(number) % shared.size()];
    if (device >= visible) {
        throw plan_error("relay " + std::to_string(gpu) + " would be CUDA device " + std::to_string(device) +
                         ", which this process does not see");
    }
    return device;
}

BLINK_INLINE topology machine_of(const group_options& choices) {
    if (choices.machine) { return *choices.machine; }
    return choices.virtual_ranks > 0 ? topology(dgx1v) : probe();
}

BLINK_INLINE placement place_ranks(const group_options& choices, int machine_gpus, int visible) {
    using relay_devices = placement::relay_devices;
    const bool is_virtual = choices.virtual_ranks > 0;
    placement p;
    p.visible = visible;
    p.relays = is_virtual ? relay_devices::shared : choices.machine ? relay_devices::spare : relay_devices::own;
    p.gpus = choices.gpus;
    if (p.gpus.empty()) {
        p.gpus.resize(static_cast<std::size_t>(choices.ranks > 0 ? choices.ranks : machine_gpus));
        std::iota(p.gpus.begin(), p.gpus.end(), 0);
    }
    if (choices.ranks > 0 && choices.ranks != p.size()) {
        throw usage_error("cuda_group: " + std::to_string(choices.ranks) + " ranks on " + std::to_string(p.size()) +
                          " GPUs");
    }
    p.devices = choices.devices;
    if (!p.devices.empty() && (is_virtual || p.devices.size() != p.gpus.size())) {
        throw usage_error("cuda_group: " + std::to_string(p.devices.size()) + " devices are named for " +
                          std::to_string(p.size()) + (is_virtual ? " virtual ranks" : " ranks"));
    }
    for (int r = static_cast<int>(p.devices.size()); r < p.size(); ++r) {
        p.devices.push_back(is_virtual        ? r / choices.virtual_ranks
                            : choices.machine ? r
                                              : p.gpus[static_cast<std::size_t>(r)]);
    }
    const auto [first, last] = std::ranges::minmax(p.devices);
    if (first < 0) { throw usage_error("cuda_group: there is no CUDA device " + std::to_string(first)); }
    if (p.size() > cuda::max_ranks || last >= visible) {
        throw usage_error("cuda_group: " + std::to_string(p.size()) + " ranks need " + std::to_string(last + 1) +
                          " GPUs (at most " + std::to_string(cuda::max_ranks) + " ranks), " + std::to_string(visible) +
                          " are visible: put several ranks on a GPU with virtual_ranks");
    }
    return p;
}

BLINK_INLINE void check_reach(const schedule& s, int ranks, const std::vector<int>& devices,
                              const std::function<bool(int, int)>& reaches) {
    const auto device_of = [&](int participant) { return devices.at(static_cast<std::size_t>(participant)); };
    const auto name = [&](int v) {
        const std::string who = v < ranks ? "rank " + std::to_string(v) : "a relay";
        return who + " (GPU " + std::to_string(device_of(v)) + ")";
    };
    const auto need = [&](int from, int to) {
        if (!reaches(device_of(from), device_of(to))) {
            throw plan_error(name(from) + " cannot store into memory of " + name(to) + ": no peer access");
        }
    };
    for (const lane& l : s.lanes) {
        for (int r = 0; r < s.ranks; ++r) {
            const role& own = l.roles[static_cast<std::size_t>(r)];
            for (const int peer : {own.reduce_to, own.broadcast_from}) {
                if (peer == no_rank) { continue; }
                need(r, peer);
                need(peer, r);
            }
        }
    }
}

} // namespace blink
