// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/check.hpp>
#include <blink/plan.hpp>
#include <blink/repair.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

using namespace blink;

namespace {

constexpr double slack = 0.05;
const std::vector<int> all_gpus{0, 1, 2, 3, 4, 5, 6, 7};

/// The vertices that data of a tree pass, hop by hop, down and up.
std::vector<std::vector<int>> ways(const fabric& f, const packed_tree& t) {
    std::vector<std::vector<int>> found;
    for (const tree_edge& e : t.edges) {
        for (const int hop : {e.down, e.up}) {
            found.emplace_back();
            if (hop == -1) { continue; }
            for (const int l : f.arcs[static_cast<std::size_t>(hop)].route) {
                found.back().push_back(f.links[static_cast<std::size_t>(l)].from);
            }
            found.back().push_back(f.arcs[static_cast<std::size_t>(hop)].to);
        }
    }
    return found;
}

/// Does some hop of `t` lead straight between GPUs `a` and `b`?
bool crosses(const packed_tree& t, int a, int b) {
    return std::ranges::any_of(t.edges,
                               [&](const tree_edge& e) { return std::minmax(e.parent, e.child) == std::minmax(a, b); });
}

/// All that a repair promises of its plan and of its lists.
void check_repair(const plan& before, const plan_repair& r) {
    const packing& p = r.after.packing;
    CHECK_NOTHROW(check(p, r.after.fabric));
    CHECK_NOTHROW(verify(r.after.schedule));
    CHECK_NOTHROW(verify_load(r.after.schedule, r.after.fabric, p));
    CHECK(p.GBps >= p.bound.GBps * (1 - slack) * (1 - 1e-9));
    CHECK(p.root == before.packing.root);
    CHECK(r.kept.size() + r.dropped.size() == before.packing.trees.size());
    CHECK(r.kept.size() + r.made.size() == p.trees.size());
    for (const auto& [was, is] : r.kept) {
        const packed_tree& old = before.packing.trees[static_cast<std::size_t>(was)];
        const packed_tree& now = p.trees[static_cast<std::size_t>(is)];
        CHECK(old.root == now.root);
        CHECK(ways(before.fabric, old) == ways(r.after.fabric, now));
    }
}

/// `machine` without one wire, or without all, between two GPUs; nothing where there are not so many.
std::optional<topology> damaged(const topology& machine, int a, int b, int count) {
    try {
        return without_wires(machine, a, b, count);
    } catch (const usage_error&) { return std::nullopt; }
}

} // namespace

TEST_CASE(
    "any link of a DGX-1 may go: the plan comes back within the slack and keeps trees that the link did not carry") {
    for (const topology& machine : {topology(dgx1v), topology(dgx1p)}) {
        for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
            for (int root = 0; root < (is_rooted(kind) ? 8 : 1); ++root) {
                const plan before = make_plan(machine, all_gpus, kind, root);
                for (int a = 0; a < 8; ++a) {
                    for (int b = a + 1; b < 8; ++b) {
                        for (const int count : {1, 0}) {
                            const auto less = damaged(machine, a, b, count);
                            if (!less) { continue; }
                            CAPTURE(a);
                            CAPTURE(b);
                            const plan_repair r = repair_plan(before, *less);
                            check_repair(before, r);
                            CHECK_FALSE(r.anew);
                            const bool survivor = std::ranges::any_of(
                                before.packing.trees, [&](const packed_tree& t) { return !crosses(t, a, b); });
                            CHECK((!survivor || !r.kept.empty()));
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("a plan that lost nothing stays as it is") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        const plan before = make_plan(topology(dgx1v), all_gpus, kind, 2);
        // GPUs 0 and 4 of the two sockets' PCIe trees: a wire that NVLink plans do not use.
        const plan_repair r = repair_plan(before, without_wires(topology(dgx1v), 0, 8));
        CHECK(r.dropped.empty());
        CHECK(r.made.empty());
        CHECK(r.after.packing.trees == before.packing.trees);
        CHECK(r.after.schedule == before.schedule);
    }
}

TEST_CASE("over a slower link a tree stays with a lower rate where there is none better") {
    topology line("line", 3);
    line.connect({0, 1, 50, 2});
    line.connect({1, 2, 50, 2});
    const plan before = make_plan(line, std::vector{0, 1, 2}, collective::broadcast, 0);
    const plan_repair r = repair_plan(before, slowed_wires(line, 1, 2, 0.3));
    check_repair(before, r);
    CHECK(r.after.packing.GBps == doctest::Approx(15));
    CHECK(r.kept == std::vector<plan_repair::kept_tree>{{0, 0}});
    CHECK(r.made.empty());
}

TEST_CASE("a link that comes back is used again") {
    const topology less = without_wires(topology(dgx1v), 0, 3);
    const plan before = make_plan(less, all_gpus, collective::broadcast, 0);
    const plan_repair r = repair_plan(before, topology(dgx1v));
    check_repair(before, r);
    CHECK(r.after.packing.GBps > before.packing.GBps * 1.1);
    CHECK_FALSE(r.kept.empty());
}

TEST_CASE("fragments and machines with switches are repaired too") {
    for (const std::vector<int>& gpus : {std::vector{3, 2, 0, 1}, std::vector{0, 1, 2, 3, 5, 6}}) {
        for (const collective kind : {collective::broadcast, collective::allreduce}) {
            const plan before = make_plan(topology(dgx1v), gpus, kind, 1);
            check_repair(before, repair_plan(before, without_wires(topology(dgx1v), 2, 3)));
        }
    }
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        const topology machine(hgx_h100);
        const plan before = make_plan(machine, all_gpus, kind, 0);
        check_repair(before, repair_plan(before, without_wires(machine, 0, 8, 1)));
    }
}

TEST_CASE("sharded plans and plans with relays are made anew") {
    for (const collective kind : {collective::allgather, collective::reduce_scatter}) {
        const plan before = make_plan(topology(dgx1v), all_gpus, kind);
        const plan_repair r = repair_plan(before, without_wires(topology(dgx1v), 0, 3));
        check_repair(before, r);
        CHECK(r.anew);
    }
    const plan before =
        make_plan(topology(dgx1v), std::vector{1, 4, 6}, collective::allreduce, best_root, {.relays = {0, 2, 3, 5, 7}});
    const plan_repair r = repair_plan(before, without_wires(topology(dgx1v), 1, 5));
    check_repair(before, r);
    CHECK(r.anew);
    CHECK(r.after.relays == before.relays);
    CHECK(r.after.packing.bound.GBps == doctest::Approx(100));
}

TEST_CASE("where NVLink no longer joins the ranks the plan moves to PCIe, or ends with an error that names them") {
    const std::vector<int> gpus{0, 1};
    const plan before = make_plan(topology(dgx1v), gpus, collective::allreduce);
    const topology less = without_wires(topology(dgx1v), 0, 1);
    const plan_repair r = repair_plan(before, less);
    CHECK(r.anew);
    CHECK(r.kept.empty());
    CHECK(r.after.fabric.links.front().kind == link_kind::pcie);
    const plan fast = make_plan(topology(dgx1v), gpus, collective::allreduce, 0, {.links = link_choice::nvlink});
    CHECK_THROWS_WITH_AS((void)repair_plan(fast, less), doctest::Contains("no path between rank 0 and rank 1"),
                         plan_error);
}

TEST_CASE("a machine with other GPUs is no repair, and a limit of trees is kept") {
    const plan before = make_plan(topology(dgx1v), all_gpus, collective::broadcast, 0);
    CHECK_THROWS_AS((void)repair_plan(before, topology(dgx2)), usage_error);
    const plan_repair r = repair_plan(before, without_wires(topology(dgx1v), 0, 3), {.max_trees = 1});
    CHECK(r.after.packing.trees.size() == 1);
    CHECK_NOTHROW(verify(r.after.schedule));
}
