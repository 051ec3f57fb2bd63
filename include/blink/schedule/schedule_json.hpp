// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A schedule as JSON: members of a role that say nothing are left out.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/json.hpp>
#include <blink/schedule/schedule.hpp>

#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

/// A list of whole numbers within [low, high].
[[nodiscard]] inline std::vector<int> ints(const json::value& v, int low, int high) {
    std::vector<int> list;
    for (const json::value& x : v.as_array()) { list.push_back(x.as_int(low, high)); }
    return list;
}

[[nodiscard]] inline json::value to_json(const role& r) {
    json::object o;
    const auto list = [&o](const char* name, const std::vector<int>& ranks) {
        if (!ranks.empty()) { o.emplace_back(name, json::value::list(ranks)); }
    };
    const auto number = [&o](const char* name, int n) {
        if (n >= 0) { o.emplace_back(name, n); }
    };
    list("reduce_from", r.reduce_from);
    number("reduce_to", r.reduce_to);
    number("reduce_hop", r.reduce_arc);
    number("broadcast_from", r.broadcast_from);
    number("broadcast_hop", r.broadcast_arc);
    list("broadcast_to", r.broadcast_to);
    return o;
}

[[nodiscard]] inline role role_from(const json::value& v, int ranks) {
    const auto list = [&](std::string_view name) {
        const json::value* found = v.find(name);
        return found == nullptr ? std::vector<int>{} : ints(*found, 0, ranks - 1);
    };
    const auto number = [&](std::string_view name, int end) {
        const json::value* found = v.find(name);
        return found == nullptr ? -1 : found->as_int(0, end - 1);
    };
    constexpr int many = std::numeric_limits<int>::max();
    return {list("reduce_from"),  number("reduce_to", ranks), number("broadcast_from", ranks),
            list("broadcast_to"), number("reduce_hop", many), number("broadcast_hop", many)};
}

} // namespace detail

[[nodiscard]] inline json::value to_json(const schedule& s) {
    json::array lanes;
    for (const lane& l : s.lanes) {
        json::array roles;
        for (const role& r : l.roles) { roles.push_back(detail::to_json(r)); }
        lanes.emplace_back(json::object{{"root", l.root}, {"share", l.share}, {"roles", std::move(roles)}});
    }
    return json::object{
        {"collective", to_string(s.kind)}, {"ranks", s.ranks}, {"root", s.root}, {"lanes", std::move(lanes)}};
}

/// The schedule that a JSON value describes; `verify` judges it.
/// @throw json::format_error with the line of what is wrong
/// @throw usage_error for an unknown collective
[[nodiscard]] inline schedule schedule_from(const json::value& v) {
    constexpr int most_ranks = 4096;
    schedule s;
    s.kind = collective_from(v.at("collective").as_string());
    s.ranks = v.at("ranks").as_int(1, most_ranks);
    s.root = v.at("root").as_int(0, s.ranks - 1);
    for (const json::value& l : v.at("lanes").as_array()) {
        s.lanes.push_back({l.at("root").as_int(0, s.ranks - 1), l.at("share").as_number(), {}});
        for (const json::value& r : l.at("roles").as_array()) {
            s.lanes.back().roles.push_back(detail::role_from(r, s.ranks));
        }
    }
    return s;
}

} // namespace blink
