// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `repair_plan`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/refill.hpp>
#include <blink/plan.hpp>
#include <blink/repair.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// Old trees in terms of another fabric of the same ranks.
class tree_mapping {
  public:
    tree_mapping(const fabric& from, const fabric& to) : from_(&from) {
        std::map<link_name, int> known;
        const std::vector<link_name> names = names_of(to);
        for (std::size_t i = 0; i < names.size(); ++i) { known[names[i]] = static_cast<int>(i); }
        for (const link_name& name : names_of(from)) {
            const auto found = known.find(name);
            link_.push_back(found == known.end() ? -1 : found->second);
        }
    }

    /// Turns the hops of `t` into those of `to`.
    /// @param add whether a route that `to` has the links for, and no hop, becomes one
    /// @return false where a hop is gone
    [[nodiscard]] bool map(packed_tree& t, fabric& to, bool add) const {
        std::vector<arc> hops;
        for (const tree_edge& e : t.edges) {
            for (const int hop : {e.down, e.up}) {
                if (hop == -1) { continue; }
                arc a = from_->arcs[static_cast<std::size_t>(hop)];
                for (int& l : a.route) { l = link_[static_cast<std::size_t>(l)]; }
                const bool gone = std::ranges::find(a.route, -1) != a.route.end();
                if (gone || (!add && std::ranges::find(to.arcs, a) == to.arcs.end())) { return false; }
                hops.push_back(std::move(a));
            }
        }
        auto next = hops.begin();
        for (tree_edge& e : t.edges) {
            for (int* hop : {&e.down, &e.up}) {
                if (*hop == -1) { continue; }
                const auto found = std::ranges::find(to.arcs, *next);
                *hop = static_cast<int>(found - to.arcs.begin());
                if (found == to.arcs.end()) { to.arcs.push_back(*next); }
                ++next;
            }
        }
        return true;
    }

  private:
    /// Both ends, the kind, and the number among links that are alike in these.
    using link_name = std::tuple<int, int, link_kind, int>;

    [[nodiscard]] static std::vector<link_name> names_of(const fabric& f) {
        std::map<std::tuple<int, int, link_kind>, int> met;
        std::vector<link_name> names;
        for (const link& l : f.links) { names.emplace_back(l.from, l.to, l.kind, met[{l.from, l.to, l.kind}]++); }
        return names;
    }

    const fabric* from_;
    std::vector<int> link_; ///< of `to`, or -1, for each link of `from`
};

/// Does any link that `t` loads on `f` carry less than the link of the same name on `before`?
[[nodiscard]] inline bool over_slower_link(const packed_tree& old, const fabric& before, const packed_tree& t,
                                           const fabric& f) {
    for (std::size_t i = 0; i < t.edges.size(); ++i) {
        for (const auto& [was, is] :
             {std::pair{old.edges[i].down, t.edges[i].down}, std::pair{old.edges[i].up, t.edges[i].up}}) {
            if (is == -1) { continue; }
            const auto& then = before.arcs[static_cast<std::size_t>(was)].route;
            const auto& now = f.arcs[static_cast<std::size_t>(is)].route;
            for (std::size_t l = 0; l < now.size(); ++l) {
                if (f.links[static_cast<std::size_t>(now[l])].GBps <
                    before.links[static_cast<std::size_t>(then[l])].GBps * (1 - 1e-9)) {
                    return true;
                }
            }
        }
    }
    return false;
}

/// Fills in what is kept, dropped and made by comparing the trees of both plans.
inline void compare_trees(plan_repair& r, const plan& before, const std::vector<int>& origin) {
    std::vector<bool> stays(before.packing.trees.size(), false);
    for (std::size_t i = 0; i < origin.size(); ++i) {
        if (origin[i] == -1) {
            r.made.push_back(static_cast<int>(i));
        } else {
            r.kept.push_back({origin[i], static_cast<int>(i)});
            stays[static_cast<std::size_t>(origin[i])] = true;
        }
    }
    for (std::size_t i = 0; i < stays.size(); ++i) {
        if (!stays[i]) { r.dropped.push_back(static_cast<int>(i)); }
    }
}

/// All planned anew; equal trees count as kept.
[[nodiscard]] inline plan_repair planned_anew(const plan& before, const topology& machine,
                                              const pack_options& options) {
    const packing& old = before.packing;
    const int root = is_rooted(old.kind) ? old.root : best_root;
    plan_repair r{
        make_plan(machine, before.gpus, old.kind, root, {before.links, options, before.relays}), {}, {}, {}, true};
    const tree_mapping mapping(before.fabric, r.after.fabric);
    std::vector<int> origin(r.after.packing.trees.size(), -1);
    for (std::size_t i = 0; i < old.trees.size(); ++i) {
        packed_tree t = old.trees[i];
        if (!mapping.map(t, r.after.fabric, false)) { continue; }
        const auto& trees = r.after.packing.trees;
        const auto same = std::find_if(trees.begin(), trees.end(), [&](const packed_tree& other) {
            return other.root == t.root && other.edges == t.edges;
        });
        if (same != trees.end()) { origin[static_cast<std::size_t>(same - trees.begin())] = static_cast<int>(i); }
    }
    compare_trees(r, before, origin);
    return r;
}

} // namespace detail

BLINK_INLINE plan_repair repair_plan(const plan& before, const topology& machine, const pack_options& options) {
    const auto start = std::chrono::steady_clock::now();
    if (machine.gpu_count() != before.machine.gpu_count() || machine.vertex_count() != before.machine.vertex_count()) {
        throw usage_error(machine.name() + ": has other GPUs or switches than the machine of the plan to repair");
    }
    const packing& old = before.packing;
    if (is_sharded(old.kind) || !before.relays.empty() || old.ranks < 2) {
        return detail::planned_anew(before, machine, options);
    }
    plan_repair r{{machine, before.gpus, before.links, {}, {}, {}, 0, {}}, {}, {}, {}, false};
    r.after.fabric = plan_fabric(machine, before.gpus, {}, before.links, old.kind, old.root);
    const detail::tree_mapping mapping(before.fabric, r.after.fabric);
    // Trees that the loss has not touched come first, so that it is the others that give way.
    std::vector<packed_tree> trees;
    std::vector<int> number;
    for (const bool touched : {false, true}) {
        for (std::size_t i = 0; i < old.trees.size(); ++i) {
            packed_tree t = old.trees[i];
            if (!mapping.map(t, r.after.fabric, true)) { continue; }
            if (detail::over_slower_link(old.trees[i], before.fabric, t, r.after.fabric) != touched) { continue; }
            trees.push_back(std::move(t));
            number.push_back(static_cast<int>(i));
        }
    }
    if (trees.empty()) { return detail::planned_anew(before, machine, options); }
    refilled_packing filled = refill(r.after.fabric, old.kind, old.root, trees, options);
    const bool many = options.max_trees > 0 && static_cast<int>(filled.packing.trees.size()) > options.max_trees;
    const packing& now = filled.packing;
    if (many || now.GBps < now.bound.GBps * (1 - options.slack) * (1 - 1e-9)) {
        plan_repair anew = detail::planned_anew(before, machine, options);
        if (many || anew.after.packing.GBps > now.GBps * (1 + 1e-9)) { return anew; }
    }
    r.after.packing = std::move(filled.packing);
    for (int& origin : filled.origin) {
        if (origin != -1) { origin = number[static_cast<std::size_t>(origin)]; }
    }
    detail::compare_trees(r, before, filled.origin);
    r.after.schedule = make_schedule(r.after.packing);
    r.after.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return r;
}

} // namespace blink
