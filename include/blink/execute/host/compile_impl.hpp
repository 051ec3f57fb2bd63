// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `compile`.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink::host {

namespace detail {

/// Orders the steps of one lane.
class lane_compiler {
  public:
    lane_compiler(const schedule& s, std::size_t index) : schedule_(s), lane_(s.lanes[index]), index_(index) {}

    [[nodiscard]] compiled_lane compile() {
        if (lane_.roles.size() != static_cast<std::size_t>(schedule_.ranks)) {
            fail("has " + std::to_string(lane_.roles.size()) + " roles for " + std::to_string(schedule_.ranks) +
                 " ranks");
        }
        if (!known(lane_.root)) { fail("has the unknown root " + std::to_string(lane_.root)); }
        if (is_rooted(schedule_.kind) && lane_.root != schedule_.root) {
            fail("has root " + std::to_string(lane_.root) + ", not " + std::to_string(schedule_.root));
        }
        if (!(lane_.share >= 0) || !std::isfinite(lane_.share)) {
            fail("has a share of " + std::to_string(lane_.share));
        }
        if (reduces(schedule_.kind)) { reduce_up(); }
        if (hands_on(schedule_.kind)) { broadcast_down(); }
        return std::move(compiled_);
    }

  private:
    using links = std::vector<std::vector<int>>;

    [[noreturn]] void fail(const std::string& what) const {
        throw schedule_error(std::string(to_string(schedule_.kind)) + ", lane " + std::to_string(index_) + ": " + what);
    }
    [[nodiscard]] bool known(int rank) const { return rank >= 0 && rank < schedule_.ranks; }
    [[nodiscard]] const role& role_of(int rank) const { return lane_.roles[static_cast<std::size_t>(rank)]; }
    [[nodiscard]] static std::string name(int rank) { return "rank " + std::to_string(rank); }

    /// Ranks from the root on, each after its parent; checks that both ends of every hop agree on it.
    template <class Children, class Parent>
    [[nodiscard]] std::vector<int> from_root(Children children, Parent parent, const char* receives) const {
        if (const int p = parent(role_of(lane_.root)); p != no_rank) {
            fail(name(lane_.root) + " is the root, yet has the parent " + std::to_string(p));
        }
        std::vector<int> order{lane_.root};
        std::vector<bool> seen(static_cast<std::size_t>(schedule_.ranks), false);
        seen[static_cast<std::size_t>(lane_.root)] = true;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const int v = order[i];
            for (const int child : children(role_of(v))) {
                if (!known(child)) { fail(name(v) + " names the unknown rank " + std::to_string(child)); }
                if (seen[static_cast<std::size_t>(child)]) { fail(name(child) + " is given twice as a child"); }
                if (parent(role_of(child)) != v) {
                    fail(name(v) + " and " + name(child) + " do not agree: one of them waits for ever");
                }
                seen[static_cast<std::size_t>(child)] = true;
                order.push_back(child);
            }
        }
        if (const auto missing = std::ranges::find(seen, false); missing != seen.end()) {
            fail(name(static_cast<int>(missing - seen.begin())) + receives);
        }
        return order;
    }

    void reduce_up() {
        std::vector<int> order = from_root(
            [](const role& r) -> const auto& { return r.reduce_from; }, [](const role& r) { return r.reduce_to; },
            " never reaches the root: its contribution is lost");
        std::vector<place> partial(static_cast<std::size_t>(schedule_.ranks));
        std::vector<int> free;
        for (auto v = order.rbegin(); v != order.rend(); ++v) {
            partial[static_cast<std::size_t>(*v)] = {place::kind::input, *v};
            const bool root = *v == lane_.root;
            if (role_of(*v).reduce_from.empty() && !root) { continue; } // its parent reads the input itself
            combine_step step{*v, {place::kind::output, *v}, {{place::kind::input, *v}}};
            for (const int child : role_of(*v).reduce_from) {
                const place from = partial[static_cast<std::size_t>(child)];
                step.operands.push_back(from);
                if (from.in == place::kind::slot) { free.push_back(from.index); }
            }
            if (!root) {
                if (free.empty()) { free.push_back(compiled_.slots++); }
                step.to = {place::kind::slot, free.back()};
                free.pop_back();
                partial[static_cast<std::size_t>(*v)] = step.to;
            }
            compiled_.up.push_back(std::move(step));
        }
    }

    void broadcast_down() {
        const std::vector<int> order = from_root(
            [](const role& r) -> const auto& { return r.broadcast_to; }, [](const role& r) { return r.broadcast_from; },
            " never gets the result: it waits for ever");
        for (const int v : order) {
            const int parent = role_of(v).broadcast_from;
            if (v == lane_.root && reduces(schedule_.kind)) { continue; } // already there
            const place from = v == lane_.root ? place{place::kind::input, v} : place{place::kind::output, parent};
            compiled_.down.push_back({v, {place::kind::output, v}, from});
        }
    }

    const schedule& schedule_;
    const lane& lane_;
    std::size_t index_;
    compiled_lane compiled_;
};

} // namespace detail

BLINK_INLINE compiled_schedule compile(schedule s) {
    if (s.ranks < 1) { throw schedule_error("a schedule for " + std::to_string(s.ranks) + " ranks"); }
    compiled_schedule p{std::move(s), {}};
    double shares = 0;
    for (std::size_t i = 0; i < p.schedule.lanes.size(); ++i) {
        p.lanes.push_back(detail::lane_compiler(p.schedule, i).compile());
        shares += p.schedule.lanes[i].share;
    }
    if (!(std::abs(shares - 1) < 1e-6)) {
        throw schedule_error(std::string(to_string(p.schedule.kind)) + ": the shares of its lanes add up to " +
                             std::to_string(shares) + ", not 1");
    }
    for (int root = 0; is_sharded(p.schedule.kind) && root < p.schedule.ranks; ++root) {
        double shard = 0;
        for (const lane& l : p.schedule.lanes) { shard += l.root == root ? l.share : 0; }
        if (!(std::abs(shard * p.schedule.ranks - 1) < 1e-6)) {
            throw schedule_error(std::string(to_string(p.schedule.kind)) + ": the lanes of root " +
                                 std::to_string(root) + " do not carry its shard");
        }
    }
    return p;
}

} // namespace blink::host
