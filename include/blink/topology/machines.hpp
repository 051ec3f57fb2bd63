// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The machines that Blink knows by name: constexpr values, and a look-up for tools.
#pragma once

#include <blink/topology/machines/boxes.hpp>
#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/machines/mi250.hpp>
#include <blink/topology/machines/nvswitch.hpp>
#include <blink/topology/machines/pcie.hpp>
#include <blink/topology/topology.hpp>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

/// Most boxes that a name such as dgx_a100x2 may ask for.
inline constexpr int most_boxes = 128;

namespace detail {

/// The machine called exactly `name`, if there is one.
[[nodiscard]] inline std::optional<topology> single_machine(std::string_view name) {
    std::optional<topology> found;
    const auto offer = [&](const auto& machine) {
        if (machine.name() == name) { found.emplace(machine); }
    };
    offer(dgx1p);
    offer(dgx1v);
    offer(p3_8xlarge);
    offer(dgx2);
    offer(dgx_a100);
    offer(hgx_h100);
    offer(hgx_h200_2);
    offer(mi250);
    offer(pcie4);
    offer(pcie8);
    return found;
}

/// dgx_a100xK and hgx_h100xK.
[[nodiscard]] inline std::optional<topology> joined_boxes(std::string_view name) {
    const auto count_after = [&](std::string_view stem) {
        int boxes = 0;
        if (!name.starts_with(stem)) { return 0; }
        const char* end = name.data() + name.size();
        const auto [last, status] = std::from_chars(name.data() + stem.size(), end, boxes);
        return status == std::errc{} && last == end && boxes <= most_boxes ? boxes : 0;
    };
    if (const int k = count_after("dgx_a100x"); k > 0) { return boxes_of(dgx_a100, k, 25, std::string(name)); }
    if (const int k = count_after("hgx_h100x"); k > 0) { return boxes_of(hgx_h100, k, 50, std::string(name)); }
    return std::nullopt;
}

} // namespace detail

/// The names that `machine_named` takes, beside K boxes of dgx_a100 or hgx_h100 as dgx_a100xK and hgx_h100xK.
[[nodiscard]] inline std::vector<std::string> machine_names() {
    return {"dgx1p", "dgx1v", "p3_8xlarge", "dgx2", "dgx_a100", "hgx_h100", "hgx_h200_2", "mi250", "pcie4", "pcie8"};
}

/// The machine called `name`, or nothing.
[[nodiscard]] inline std::optional<topology> find_machine(std::string_view name) {
    if (auto one = detail::single_machine(name)) { return one; }
    return detail::joined_boxes(name);
}

/// The machine called `name`.
/// @throw topology_error that lists the names, where there is none
[[nodiscard]] inline topology machine_named(std::string_view name) {
    if (auto machine = find_machine(name)) { return std::move(*machine); }
    std::string known;
    for (const std::string& n : machine_names()) { known += n + ", "; }
    throw topology_error("unknown machine '" + std::string(name) + "': expected " + known +
                         "or K boxes as dgx_a100xK or hgx_h100xK (K up to " + std::to_string(most_boxes) + ")");
}

} // namespace blink
