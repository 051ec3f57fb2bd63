// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/plan_json.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "made_packings.hpp"

using blink::collective;

namespace {

void check_equal(const blink::plan& a, const blink::plan& b) {
    CHECK(a.machine == b.machine);
    CHECK(a.gpus == b.gpus);
    CHECK(a.links == b.links);
    CHECK(a.fabric == b.fabric);
    CHECK(a.packing == b.packing);
    CHECK(a.schedule == b.schedule);
    CHECK(a.seconds == b.seconds);
}

/// GPUs 3, 2 and 0 of a DGX-1V, in this order: broadcast from GPU 2 over the double link to 3 and on, half of it
/// also the other way.
blink::plan some_plan(collective kind = collective::broadcast) {
    blink::plan p{blink::machine_named("dgx1v"), {3, 2, 0}, blink::link_choice::nvlink, {}, {}, {}, 0.1 + 0.2};
    p.fabric = blink::make_fabric(blink::induced(p.machine, p.gpus), p.links);
    p.packing = made::pack(p.fabric, kind,
                           {made::tree(p.fabric, kind, 1, 50.0 / 3, {{1, 0}, {0, 2}}),
                            made::tree(p.fabric, kind, 1, 25.0 / 3, {{1, 2}, {2, 0}})});
    p.packing.bound = {75, {{1}, {0, 2}}};
    p.packing.weights = {0.1, 17, 3, 74.5};
    p.schedule = blink::make_schedule(p.packing);
    return p;
}

std::string text_of(const blink::plan& p) { return blink::to_json(p).dump(2); }

/// The error for the text of a plan in which `from` became `to`.
std::string refusal(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    try {
        (void)blink::plan_from_json(text, "my.json");
    } catch (const blink::plan_error& e) { return e.what(); }
    return "accepted";
}

/// Line of the first place where `what` stands.
std::string line_of(const std::string& text, const std::string& what) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(text.find(what));
    return "my.json:" + std::to_string(1 + std::count(text.begin(), end, '\n')) + ": ";
}

} // namespace

TEST_CASE("a plan is equal after it was written and read") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        const blink::plan p = some_plan(kind);
        check_equal(p, blink::plan_from_json(text_of(p), "x"));
        check_equal(p, blink::plan_from_json(blink::to_json(p).dump(), "x"));
    }
}

TEST_CASE("what the planner makes is equal after it was written and read") {
    const auto machine = blink::machine_named("dgx1v");
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, std::vector<int>{7, 1, 4, 0, 2}, kind);
        check_equal(p, blink::plan_from_json(text_of(p), "x"));
    }
}

TEST_CASE("a plan over other routes than the shortest keeps them, and broken ones are refused") {
    blink::topology machine("chips", 4, std::vector<blink::vertex_kind>(2, blink::vertex_kind::nvswitch));
    for (int v = 0; v < 4; ++v) {
        machine.connect({v, 4, 25});
        machine.connect({v, 5, 25});
    }
    const blink::plan p = blink::make_plan(machine, std::vector<int>{2, 0, 1, 3}, collective::allgather);
    CHECK(p.packing.GBps == doctest::Approx(200.0 / 3));
    REQUIRE(p.fabric.arcs.size() > 12);
    const std::string text = text_of(p);
    check_equal(p, blink::plan_from_json(text, "x"));
    const auto& route = p.fabric.arcs[12].route;
    const std::string links = "[" + std::to_string(route[0]) + ", " + std::to_string(route[1]) + "]";
    CHECK(refusal(text, "\"links\": " + links, "\"links\": [" + std::to_string(route[0]) + "]")
              .find("\"routes\": hop ") != std::string::npos);
    CHECK(refusal(text, "\"links\": " + links, "\"links\": [999]").find("found 999") != std::string::npos);
}

TEST_CASE("plans on every named machine are equal after they were written and read") {
    for (const std::string& name : blink::machine_names()) {
        for (const auto links : {blink::link_choice::automatic, blink::link_choice::all}) {
            CAPTURE(name);
            blink::plan p{blink::machine_named(name), {0, 1}, links, {}, {}, {}, 1e-3};
            p.fabric = blink::make_fabric(blink::induced(p.machine, p.gpus), p.links);
            const collective kind = collective::allreduce;
            p.packing = made::pack(p.fabric, kind, {made::tree(p.fabric, kind, 1, 0.7, {{1, 0}})});
            p.packing.bound = {450, {{1}, {0}}};
            p.schedule = blink::make_schedule(p.packing);
            check_equal(p, blink::plan_from_json(text_of(p), "x"));
        }
    }
}

TEST_CASE("a plan of one rank is equal after it was written and read") {
    blink::plan p{blink::machine_named("dgx1v"), {5}, blink::link_choice::automatic, {}, {}, {}, 0};
    p.fabric = blink::make_fabric(blink::induced(p.machine, p.gpus));
    p.packing.ranks = 1;
    p.schedule = blink::make_schedule(p.packing);
    check_equal(p, blink::plan_from_json(text_of(p), "x"));
}

TEST_CASE("the report has the members of the contract in their order, with the machine's GPUs") {
    const auto report = blink::plan_report(some_plan());
    std::string names;
    for (const auto& [name, v] : report) { names += name + " "; }
    CHECK(names == "topology ranks collective root rate_GBps bound_GBps bottleneck mwu trees seconds ");
    const blink::json::value v(report);
    CHECK(v.at("topology").as_string() == "dgx1v");
    CHECK(v.at("ranks").dump() == "[3,2,0]");
    CHECK(v.at("root").as_number() == 2);
    CHECK(v.at("bottleneck").dump() == R"({"parts":[[2],[3,0]],"GBps":75})");
    CHECK(v.at("mwu").dump() == R"({"epsilon":0.1,"iterations":17,"candidates":3,"rate_GBps":74.5})");
    const auto& tree = v.at("trees").as_array()[0];
    CHECK(tree.at("root").as_number() == 2);
    CHECK(tree.at("depth").as_number() == 2);
    CHECK(tree.at("edges").dump() == "[[2,3],[3,0]]");
    CHECK(blink::json::value(blink::plan_report(some_plan(collective::allreduce))).at("root").is_null());
}

TEST_CASE("a plan is saved to a file and loaded from it") {
    const std::string path = "test_plan_json.tmp.json";
    const blink::plan p = some_plan();
    blink::save_plan(path, p);
    check_equal(p, blink::load_plan(path));
    std::remove(path.c_str());
    CHECK_THROWS_WITH_AS((void)blink::load_plan(path), "test_plan_json.tmp.json: the plan cannot be read",
                         blink::plan_error);
    CHECK_THROWS_WITH_AS(blink::save_plan("no/such/folder/p.json", p),
                         "no/such/folder/p.json: the plan cannot be written", blink::plan_error);
}

TEST_CASE("what is wrong in the text is named with file and line") {
    const std::string text = text_of(some_plan());
    CHECK(refusal(text, "\"ranks\": [3, 2, 0]", "\"ranks\": [3, 2, 3]") ==
          line_of(text, "\"ranks\"") + "\"ranks\": dgx1v: rank 3 is given twice");
    CHECK(refusal(text, "[3, 2, 0]", "[3, 2, 8]") ==
          line_of(text, "\"ranks\"") + "found 8, expected a whole number from 0 to 7");
    CHECK(refusal(text, "\"broadcast\"", "\"gossip\"")
              .starts_with(line_of(text, "\"collective\"") + "\"collective\": unknown"));
    CHECK(refusal(text, "\"nvlink\"", "\"wifi\"") ==
          line_of(text, "\"links\"") + "found \"wifi\", expected auto, nvlink, pcie or all");
    CHECK(refusal(text, "\"root\": 2", "\"root\": 4") ==
          line_of(text, "\"root\"") + "found GPU 4, expected one of \"ranks\"");
    CHECK(refusal(text, "\"mwu\"", "\"mwv\"").starts_with("my.json:1: found an object without \"mwu\""));
    CHECK(refusal(text, "\"seconds\":", "\"seconds\"").starts_with("my.json:"));
    CHECK(refusal("{}", "{}", "[]") == "my.json:1: found an array, expected an object");
    CHECK(refusal(text, text.substr(text.size() / 2), "").starts_with("my.json:"));
}

TEST_CASE("a plan that does not keep what it promises is refused") {
    const auto spoilt = [](const std::function<void(blink::plan&)>& how) {
        blink::plan p = some_plan();
        how(p);
        try {
            (void)blink::plan_from_json(text_of(p), "my.json");
        } catch (const blink::plan_error& e) { return std::string(e.what()); }
        return std::string("accepted");
    };
    const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
    CHECK(spoilt([](blink::plan&) {}) == "accepted");
    CHECK(has(spoilt([](blink::plan& p) { p.packing.GBps = 30; }), "the trees carry 25.000000 GB/s, promised are 30"));
    CHECK(has(spoilt([](blink::plan& p) { p.packing.trees[0].edges.pop_back(); }), "does not reach rank 2"));
    CHECK(has(spoilt([](blink::plan& p) { std::swap(p.packing.trees[0].edges[0], p.packing.trees[0].edges[1]); }),
              "before its parent is reached"));
    CHECK(has(spoilt([](blink::plan& p) { p.packing.trees[0].edges[0].down = 0; }), "leads 0 -> 1"));
    CHECK(has(spoilt([](blink::plan& p) { p.packing.trees[0].edges[0].down = 99; }), "expected a whole number"));
    CHECK(has(spoilt([](blink::plan& p) { p.packing.trees[0].edges[0].down = -1; }), "has no hop down"));
    CHECK(has(spoilt([](blink::plan& p) { p.schedule.lanes[0].share = 0.5; }), "add up to"));
    CHECK(has(spoilt([](blink::plan& p) { p.schedule.lanes[0].roles[1].broadcast_to.clear(); }), "waits for ever"));
    CHECK(has(spoilt([](blink::plan& p) { p.schedule.kind = collective::reduce; }), "another collective"));
    CHECK(has(spoilt([](blink::plan& p) {
                  p.packing.trees[0].GBps *= 4;
                  p.packing.trees[1].GBps *= 4;
                  p.packing.GBps *= 4;
              }),
              "the trees load it with"));
    CHECK(has(spoilt([](blink::plan& p) {
                  p.schedule.lanes[0].share = 1.0 / 3;
                  p.schedule.lanes[1].share = 2.0 / 3;
              }),
              "the packing promised"));
}
