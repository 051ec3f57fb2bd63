// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "reach.hpp"
#include "report_json.hpp"
#include "report_text.hpp"

namespace {

/// GPUs 2, 5 and 7 of a machine on direct links: 2-5 with two wires of 10 GB/s, 5-7 with one of 30.
blink_plan::report made_report(blink::collective kind) {
    blink::topology machine("box", 8);
    machine.connect({2, 5, 20, 2, blink::link_kind::nvlink, 0});
    machine.connect({5, 7, 30, 1, blink::link_kind::nvlink, 0});
    const std::vector gpus{2, 5, 7};
    blink::plan p{machine, gpus,   blink::link_choice::automatic, blink::make_fabric(blink::induced(machine, gpus)), {},
                  {},      0.00125};
    p.packing.kind = kind;
    p.packing.ranks = 3;
    p.packing.root = 0;
    p.packing.GBps = 15;
    p.packing.bound = {20, {{0}, {1, 2}}};
    p.packing.weights = {0.1, 12, 34, 14.5};
    p.packing.trees = {{0, 10, {{0, 1, 0, 1}, {1, 2, 2, 3}}}, {1, 5, {{1, 0, 1, 0}, {1, 2, 2, 3}}}};
    return {p, 0, {}};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("the text speaks of GPUs by the numbers that the user gave") {
    const std::string text = to_text(made_report(blink::collective::broadcast));
    CAPTURE(text);
    CHECK(has(text, "box: broadcast from GPU 2 among 3 GPUs (2,5,7) over NVLink"));
    CHECK(has(text, "15.00 GB/s   2 trees, at most 2 hops deep: 75.0 % of the bound"));
    CHECK(has(text, "20.00 GB/s   no more leaves GPU 2 for GPUs 5,7 (2 links)"));
    CHECK(has(text, "34 candidates after 12 iterations with epsilon 0.10 -> 2 trees"));
    CHECK(has(text, "planned in     1.25 ms"));
    CHECK(has(text, "     1     2    10.00      2  2-5-7\n"));
    CHECK(has(text, "     2     5     5.00      1  5-(2, 7)\n"));
    CHECK_FALSE(has(text, "simulated"));
}

TEST_CASE("the bottleneck is told for every kind of certificate") {
    blink_plan::report r = made_report(blink::collective::allreduce);
    CHECK(blink_plan::bottleneck_in_words(r.plan) == "no more passes between GPU 2 and GPUs 5,7 (2 links)");
    r.plan.packing.bound.parts = {{0}, {1}, {2}};
    CHECK(blink_plan::bottleneck_in_words(r.plan) ==
          "all links together carry 40.00 GB/s, and every tree takes 2 hops");
    r.plan.packing.ranks = 4;
    r.plan.gpus.push_back(0);
    r.plan.packing.bound.parts = {{0, 3}, {1}, {2}};
    CHECK(blink_plan::bottleneck_in_words(r.plan) ==
          "the links between {2,0} {5} {7} carry 40.00 GB/s, and every tree crosses them 2 times");
    r.plan.packing.kind = blink::collective::reduce;
    r.plan.packing.bound.parts = {{0}, {1, 2}};
    CHECK(blink_plan::bottleneck_in_words(r.plan) == "no more reaches GPU 2 from GPUs 5,7 (2 links)");
}

TEST_CASE("simulated times stand beside the baselines") {
    blink_plan::report r = made_report(blink::collective::allreduce);
    r.simulated_bytes = 1U << 20;
    r.simulated = {{"blink", "Blink", 1e-4, 10.5, 65536}, {"ring", "2 PCIe rings", 2.5e-4, 4.2, 131072}};
    const std::string text = to_text(r);
    CAPTURE(text);
    CHECK(has(text, "simulated with 1 MiB"));
    CHECK(has(text, "2 PCIe rings            250.00 us      4.20    128 KiB   Blink is 2.50x as fast\n"));
}

TEST_CASE("the JSON has every key of the contract, in the user's numbers") {
    blink_plan::report r = made_report(blink::collective::broadcast);
    r.simulated_bytes = 4096;
    r.simulated = {{"blink", "Blink", 1e-4, 10.5, 1024}};
    const auto o = blink::json::parse(to_json(r).dump(2));
    CHECK(o.at("topology").as_string() == "box");
    CHECK(o.at("ranks").dump() == "[2,5,7]");
    CHECK(o.at("collective").as_string() == "broadcast");
    CHECK(o.at("root").as_number() == 2);
    CHECK(o.at("rate_GBps").as_number() == 15);
    CHECK(o.at("bound_GBps").as_number() == 20);
    CHECK(o.at("bottleneck").dump() == R"({"parts":[[2],[5,7]],"GBps":20})");
    CHECK(o.at("mwu").dump() == R"({"epsilon":0.1,"iterations":12,"candidates":34,"rate_GBps":14.5})");
    const auto& tree = o.at("trees").as_array().at(0);
    CHECK(tree.at("root").as_number() == 2);
    CHECK(tree.at("GBps").as_number() == 10);
    CHECK(tree.at("depth").as_number() == 2);
    CHECK(tree.at("edges").dump() == "[[2,5],[5,7]]");
    CHECK(o.at("seconds").as_number() == doctest::Approx(0.00125));
    CHECK(o.at("simulated").at("blink").dump() == R"({"bytes":4096,"seconds":1e-04,"GBps":10.5,"chunk_bytes":1024})");
    CHECK(to_json(made_report(blink::collective::allreduce)).at("root").is_null());
    CHECK(to_json(made_report(blink::collective::allreduce)).find("simulated") == nullptr);
}

TEST_CASE("GPUs that no link joins are named in groups") {
    blink::topology machine("box", 4, {blink::vertex_kind::pcie_switch});
    machine.connect({0, 1, 25, 1, blink::link_kind::nvlink, 0});
    machine.connect({1, 4, 10, 1, blink::link_kind::pcie, 0});
    machine.connect({2, 4, 10, 1, blink::link_kind::pcie, 0});
    const auto words = [&](std::vector<int> gpus, blink::link_choice links) {
        return blink_plan::no_path_in_words(machine, gpus, {}, links);
    };
    CHECK(words({3, 1, 0}, blink::link_choice::automatic) ==
          "box: GPUs of different groups cannot reach each other over any link: {3} {1,0}");
    CHECK(words({0, 1, 2}, blink::link_choice::nvlink) ==
          "box: GPUs of different groups cannot reach each other over NVLink and network: {0,1} {2}");
    CHECK(words({0, 2}, blink::link_choice::all) ==
          "box: GPUs of different groups cannot reach each other over any link: {0} {2}");
    CHECK(has(words({0, 1, 2}, blink::link_choice::automatic), "--links all uses both as one graph"));
    CHECK(words({0, 1}, blink::link_choice::nvlink).empty());
}

TEST_CASE("a way that leads there and not back joins nobody") {
    blink::topology machine("box", 3);
    machine.add_link({0, 1, 25, 1, blink::link_kind::nvlink, 0});
    machine.add_link({1, 2, 25, 1, blink::link_kind::nvlink, 0});
    machine.add_link({2, 1, 25, 1, blink::link_kind::nvlink, 0});
    CHECK(blink_plan::reach_groups(machine, std::vector{0, 1, 2}, {}, blink::link_choice::all) ==
          std::vector<std::vector<int>>{{0}, {1, 2}});
}
