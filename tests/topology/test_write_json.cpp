// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/write_json.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace blink;

TEST_CASE("every machine is read back as it was written") {
    for (const std::string& name : machine_names()) {
        CAPTURE(name);
        const topology g = machine_named(name);
        CHECK(read_json(write_json(g), name) == g);
    }
    const topology boxes = machine_named("dgx_a100x2");
    CHECK(read_json(write_json(boxes), "boxes") == boxes);
}

TEST_CASE("one-way links, latencies and odd names are read back as they were written") {
    topology g{"a \"name\"\n", 2, {vertex_kind::host, vertex_kind::network_switch}};
    g.add_link({0, 1, 0.1, 3, link_kind::network, 2.5});
    g.add_link({1, 0, 0.2, 1, link_kind::network, 0});
    g.connect({1, 3, 50, 2, link_kind::pcie, 0.7});
    CHECK(read_json(write_json(g), "g") == g);
}

TEST_CASE("a full-duplex wire is one line") {
    topology g{"pair", 2};
    g.connect({0, 1, 50, 2, link_kind::nvlink, 0});
    CHECK(write_json(g) == R"({
  "name": "pair",
  "gpus": 2,
  "switches": 0,
  "links": [
    {"a":0,"b":1,"GBps":25,"count":2,"kind":"nvlink"}
  ]
}
)");
}

TEST_CASE("a machine without links is valid too") {
    const topology g{"alone", 1};
    CHECK(read_json(write_json(g), "g") == g);
}
