// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/write_json.hpp>

#include <doctest/doctest.h>

#include <string>

#include "damage.hpp"

using namespace blink;

namespace {

const std::string box = R"({"name": "box", "gpus": 4, "switches": 1,
 "links": [{"a": 0, "b": 1, "GBps": 25.0, "count": 2, "kind": "nvlink"},
           {"a": 2, "b": 4, "GBps": 150.0, "kind": "nvlink", "directed": false},
           {"a": 4, "b": 3, "GBps": 12.5, "kind": "pcie", "directed": true, "latency_us": 1.5}]})";

std::string failure(const std::string& text) {
    try {
        (void)read_json(text, "f.json");
        return {};
    } catch (const topology_error& e) { return e.what(); }
}

} // namespace

TEST_CASE("links are read per link and direction, undirected and single where nothing else is said") {
    const topology g = read_json(box, "box.json");
    CHECK(g.name() == "box");
    CHECK(g.gpu_count() == 4);
    CHECK(g.vertex_count() == 5);
    REQUIRE(g.links().size() == 5);
    CHECK(g.links()[0] == link{0, 1, 50, 2, link_kind::nvlink, 0});
    CHECK(g.links()[1] == link{1, 0, 50, 2, link_kind::nvlink, 0});
    CHECK(g.links()[2] == link{2, 4, 150, 1, link_kind::nvlink, 0});
    CHECK(g.links()[4] == link{4, 3, 12.5, 1, link_kind::pcie, 1.5});
}

TEST_CASE("a switch without a kind gets that of its first link") {
    CHECK(read_json(box, "box.json").kind_of(4) == vertex_kind::nvswitch);
    const std::string text = R"({"gpus": 1, "switches": 2, "links":
        [{"a": 0, "b": 1, "GBps": 10, "kind": "pcie"}, {"a": 0, "b": 2, "GBps": 10, "kind": "network"}]})";
    const topology g = read_json(text, "x");
    CHECK(g.kind_of(1) == vertex_kind::pcie_switch);
    CHECK(g.kind_of(2) == vertex_kind::network_switch);
    CHECK(g.name() == "unnamed");
}

TEST_CASE("kinds of switches may be given") {
    const std::string text = R"({"gpus": 1, "switches": 1, "switch_kinds": ["host"], "links": []})";
    CHECK(read_json(text, "x").kind_of(1) == vertex_kind::host);
}

TEST_CASE("what lies is refused with file, line and what was expected") {
    CHECK(failure("{\"gpus\": 2,\n\"links\": [\n{\"a\": 0, \"b\": 2, \"GBps\": 1}]}") ==
          "f.json:3: found 2, expected a whole number from 0 to 1");
    CHECK(failure("{\"gpus\": 2,\n\"links\": [{\"a\": 1, \"b\": 1, \"GBps\": 1}]}") ==
          "f.json:2: found a link from 1 to itself, expected two different vertices");
    CHECK(failure("{\"gpus\": 2,\n\"links\": [{\"a\": 0, \"b\": 1, \"GBps\": -1}]}") ==
          "f.json:2: found -1 GB/s, expected more than 0 and at most 1e6 in all");
    CHECK(failure("{\"gpus\": 2,\n\"links\": [{\"a\": 0, \"b\": 1}]}") ==
          "f.json:2: found an object without \"GBps\", expected one with it");
    CHECK(failure("{\"gpus\": 2,\n\"links\": [{\"a\": 0, \"b\": 1, \"GBps\": 1, \"kind\": \"wifi\"}]}") ==
          "f.json:2: found the kind \"wifi\", expected one of nvlink, pcie, network");
    CHECK(failure("{\"gpus\": 0, \"links\": []}") == "f.json:1: found 0, expected a whole number from 1 to 4096");
    CHECK(failure("{\"gpus\": 1, \"switches\": 2, \"switch_kinds\": [\"host\"], \"links\": []}") ==
          "f.json:1: found 1 kinds of switches, expected 2");
    CHECK(failure("[1]") == "f.json:1: found an array, expected an object");
    CHECK(failure("{\"gpus\": 1}") == "f.json:1: found an object without \"links\", expected one with it");
    CHECK_FALSE(failure("{\"gpus\": 2, \"links\": [{\"a\": 0, \"b\": 1, \"GBps\": 1, \"count\": 0}]}").empty());
    CHECK_FALSE(failure("{\"gpus\": 2, \"links\": [{\"a\": 0, \"b\": 1, \"GBps\": 1e6, \"count\": 2}]}").empty());
    CHECK_FALSE(failure("{\"gpus\": 2, \"links\": [{\"a\": 0, \"b\": 1, \"GBps\": 1, \"latency_us\": -1}]}").empty());
}

TEST_CASE("a file that was cut short is refused wherever it was cut") {
    test::try_beginnings(box, box.size(), [](std::string_view text) { return read_json(text, "damaged"); });
}

TEST_CASE("a file with a wrong byte is read or refused") {
    const auto read = [](std::string_view text) { return read_json(text, "damaged"); };
    test::try_mutations(box, 600, read);
    test::try_mutations(write_json(machine_named("dgx1v")), 300, read);
}
