// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `probe`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/probe/cuda_driver.hpp>
#include <blink/topology/probe/gpu_facts.hpp>
#include <blink/topology/probe/nvml.hpp>
#include <blink/topology/probe/visible_devices.hpp>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace blink {
namespace detail {

/// The visible GPUs as NVML knows them; empty where it does not know all of them.
[[nodiscard]] inline std::vector<nvml::device> visible_to_nvml(const nvml::api& nvml, const cuda_driver& cuda) {
    std::vector<nvml::device> devices;
    if (!nvml.ready()) { return devices; }
    if (cuda.ready()) {
        for (int i = 0; i < cuda.device_count(); ++i) {
            const auto d = nvml.at_bus(cuda.bus_id(i));
            if (!d) { return {}; }
            devices.push_back(*d);
        }
        return devices;
    }
    const std::vector<nvml::device> all = nvml.devices();
    std::vector<std::string> uuids;
    std::ranges::transform(all, std::back_inserter(uuids), [&](nvml::device d) { return nvml.uuid(d); });
    for (const int i : visible_devices(std::getenv("CUDA_VISIBLE_DEVICES"), uuids)) {
        devices.push_back(all[static_cast<std::size_t>(i)]);
    }
    return devices;
}

} // namespace detail

BLINK_INLINE std::vector<gpu_facts> probe_facts() {
    const detail::cuda_driver cuda;
    const detail::nvml::api nvml;
    std::vector<gpu_facts> facts;
    const std::vector<detail::nvml::device> devices = detail::visible_to_nvml(nvml, cuda);
    for (std::size_t i = 0; i < devices.size(); ++i) {
        facts.push_back(nvml.facts(devices, i));
        if (cuda.ready()) { cuda.add_peers(facts.back(), static_cast<int>(i)); }
    }
    if (facts.empty() && cuda.ready()) {
        for (int i = 0; i < cuda.device_count(); ++i) { facts.push_back(cuda.facts(i)); }
    }
    if (facts.empty()) {
        const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
        std::string why = cuda.ready() ? "CUDA counts 0 devices" : cuda.reason();
        why += nvml.ready() ? "" : "; " + nvml.reason();
        why += visible != nullptr ? "; CUDA_VISIBLE_DEVICES=" + std::string(visible) : "";
        throw topology_error("no NVIDIA GPU is visible: " + why);
    }
    return facts;
}

BLINK_INLINE topology probe() {
    const std::vector<gpu_facts> facts = probe_facts();
    return assemble(facts, std::to_string(facts.size()) + "x " + (facts[0].name.empty() ? "GPU" : facts[0].name));
}

BLINK_INLINE topology probe_at(std::span<const std::string> bus_ids) {
    std::vector<gpu_facts> facts;
    try {
        facts = detail::picked(probe_facts(), bus_ids);
    } catch (const topology_error&) { // NVML knows those too that CUDA_VISIBLE_DEVICES hides
        const detail::nvml::api nvml;
        std::vector<detail::nvml::device> devices;
        for (const std::string& id : bus_ids) {
            const auto d = nvml.ready() ? nvml.at_bus(id) : std::nullopt;
            if (!d) { throw; }
            devices.push_back(*d);
        }
        for (std::size_t i = 0; i < devices.size(); ++i) { facts.push_back(nvml.facts(devices, i)); }
    }
    return assemble(facts, std::to_string(facts.size()) + "x " + (facts[0].name.empty() ? "GPU" : facts[0].name));
}

} // namespace blink
