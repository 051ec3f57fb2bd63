// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "settings.hpp"

namespace {

using namespace blink::preload;
using namespace std::chrono_literals;

struct reading {
    settings chosen;
    std::vector<std::string> told;
};

reading read(const std::map<std::string, std::string>& variables) {
    reading r;
    r.chosen = read_settings(
        [&](const char* name) {
            const auto at = variables.find(name);
            return at == variables.end() ? nullptr : at->second.c_str();
        },
        [&](const std::string& text) { r.told.push_back(text); });
    return r;
}

} // namespace

TEST_CASE("without variables, or with empty ones, the defaults hold and nothing is said") {
    for (const reading& r : {read({}), read({{"BLINK_DEBUG", ""}, {"BLINK_DISABLE", ""}, {"BLINK_TIMEOUT_MS", ""}})}) {
        CHECK(r.told.empty());
        CHECK(r.chosen.debug == log::level::warn);
        CHECK(r.chosen.disabled == settings{}.disabled);
        CHECK(r.chosen.timeout == 600s);
        CHECK(r.chosen.topology_file.empty());
        CHECK(r.chosen.plan_file.empty());
    }
}

TEST_CASE("right values are taken") {
    const reading r = read({{"BLINK_DEBUG", "INFO"},
                            {"BLINK_DISABLE", "broadcast,reduce_scatter"},
                            {"BLINK_TIMEOUT_MS", "1500"},
                            {"BLINK_TOPO_FILE", "dgx1v"},
                            {"BLINK_PLAN_DUMP_FILE", "plans.json"}});
    CHECK(r.told.empty());
    CHECK(r.chosen.debug == log::level::info);
    CHECK(r.chosen.disabled == std::array{true, false, false, false, true, false, false, false, false});
    CHECK(r.chosen.timeout == 1500ms);
    CHECK(r.chosen.topology_file == "dgx1v");
    CHECK(r.chosen.plan_file == "plans.json");
    CHECK(read({{"BLINK_DISABLE", "1"}}).chosen.disabled ==
          std::array{true, true, true, true, true, true, true, true, true});
    CHECK(read({{"BLINK_DISABLE", "send_recv"}}).chosen.disabled.back());
    CHECK(read({{"BLINK_DISABLE", "0"}}).chosen.disabled == settings{}.disabled);
    CHECK(read({{"BLINK_DEBUG", "none"}}).chosen.debug == log::level::none);
}

TEST_CASE("what concerns several processes") {
    CHECK(read({}).chosen.rendezvous_folder == "/tmp");
    CHECK(read({{"TMPDIR", "/var/tmp"}}).chosen.rendezvous_folder == "/var/tmp");
    const settings s = read({{"TMPDIR", "/var/tmp"},
                             {"BLINK_RENDEZVOUS_DIR", "/dev/shm"},
                             {"BLINK_RENDEZVOUS_MS", "250"},
                             {"BLINK_TUNING_FILE", "h200.json"}})
                           .chosen;
    CHECK(s.rendezvous_folder == "/dev/shm");
    CHECK(s.rendezvous_timeout == 250ms);
    CHECK(s.tuning_file == "h200.json");
    CHECK(read({{"BLINK_RENDEZVOUS_MS", "0"}}).told.size() == 1);
    CHECK(!read({{"LOCAL_WORLD_SIZE", "8"}, {"WORLD_SIZE", "8"}}).chosen.several_machines);
    CHECK(!read({{"WORLD_SIZE", "8"}}).chosen.several_machines);
    CHECK(read({{"LOCAL_WORLD_SIZE", "8"}, {"WORLD_SIZE", "16"}}).chosen.several_machines);
    CHECK(read({{"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}).chosen.several_machines);
}

TEST_CASE("a wrong value gives a message that names it, and the default") {
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"BLINK_DEBUG", "2"},
                                                          {"BLINK_DEBUG", "informative"},
                                                          {"BLINK_DISABLE", "yes"},
                                                          {"BLINK_DISABLE", "reduce,"},
                                                          {"BLINK_DISABLE", "allreduce,all"},
                                                          {"BLINK_TIMEOUT_MS", "0"},
                                                          {"BLINK_TIMEOUT_MS", "-1"},
                                                          {"BLINK_TIMEOUT_MS", "1s"},
                                                          {"BLINK_TIMEOUT_MS", "86400001"},
                                                          {"BLINK_TIMEOUT_MS", "1e3"},
                                                          {"BLINK_TIMEOUT_MS", " 5"},
                                                          {"BLINK_TIMEOUT_MS", "99999999999999999999"}}) {
        CAPTURE(name);
        CAPTURE(value);
        const reading r = read({{name, value}});
        REQUIRE(r.told.size() == 1);
        CHECK(r.told[0].starts_with(name + "=" + value + ": expected "));
        CHECK(r.chosen.debug == log::level::warn);
        CHECK(r.chosen.disabled == settings{}.disabled);
        CHECK(r.chosen.timeout == 600s);
    }
}
