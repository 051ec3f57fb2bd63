// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What tells the plans of a group apart, and a short sign by which two processes compare theirs.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <bit>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace blink {

/// Calls with the same key share a plan.
using plan_key = std::tuple<collective, int, link_choice, double, int, double, std::vector<int>>;

/// @param root what stands for a root where the collective has none
[[nodiscard]] inline plan_key key_of(collective kind, int root, const plan_options& p) {
    return {kind, root, p.links, p.pack.slack, p.pack.max_trees, p.pack.epsilon, p.relays};
}

/// "the plan of broadcast from rank 2 (slack 0.05, at most 0 trees)"; different keys have different names.
[[nodiscard]] inline std::string name_of(const plan_key& key) {
    const auto& [kind, root, links, slack, trees, epsilon, relays] = key;
    std::string text = "the plan of " + std::string(to_string(kind));
    if (is_rooted(kind)) { text += " with root " + std::to_string(root); }
    text += " (links " + std::to_string(static_cast<int>(links)) + ", slack " + std::to_string(slack) + ", trees " +
            std::to_string(trees) + ", epsilon " + std::to_string(epsilon);
    for (const int r : relays) { text += ", relay " + std::to_string(r); }
    return text + ")";
}

/// A number that differs where schedules differ in anything that a kernel sees: FNV-1a, 64 bits (Fowler, Noll, Vo).
[[nodiscard]] inline std::uint64_t digest_of(const schedule& s) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    const auto add = [&hash](std::uint64_t word) {
        for (int i = 0; i < 8; ++i) { hash = (hash ^ (word >> (8 * i) & 0xFFU)) * 0x100000001B3U; }
    };
    const auto add_list = [&add](const std::vector<int>& list) {
        add(list.size());
        for (const int x : list) { add(static_cast<std::uint64_t>(x)); }
    };
    add(static_cast<std::uint64_t>(s.kind));
    add(static_cast<std::uint64_t>(s.ranks));
    add(static_cast<std::uint64_t>(s.root));
    for (const lane& l : s.lanes) {
        add(static_cast<std::uint64_t>(l.root));
        add(std::bit_cast<std::uint64_t>(l.share));
        for (const role& r : l.roles) {
            add_list(r.reduce_from);
            add_list(r.broadcast_to);
            add(static_cast<std::uint64_t>(r.reduce_to));
            add(static_cast<std::uint64_t>(r.broadcast_from));
        }
    }
    return hash;
}

} // namespace blink
