// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/json.hpp>
#include <blink/schedule/write_mscclpp_json.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "made_schedules.hpp"

using namespace blink;

namespace {

std::vector<std::string> operations(const json::value& block) {
    std::vector<std::string> names;
    for (const json::value& op : block.at("ops").as_array()) {
        names.push_back(op.at("name").as_string());
        if (const json::value* inner = op.find("ops")) {
            for (const json::value& i : inner->as_array()) { names.push_back("." + i.at("name").as_string()); }
        }
    }
    return names;
}

} // namespace

TEST_CASE("the root of an allreduce reduces what it reads and hands on the result in one block") {
    const json::value plan =
        json::parse(write_mscclpp_json(made::star_schedule(collective::allreduce, 3), {.min_bytes = 1024}));
    CHECK(plan.at("collective").as_string() == "allreduce");
    CHECK(plan.at("inplace").as_bool());
    CHECK(plan.at("min_message_size").as_number() == 1024);
    CHECK(plan.at("max_message_size").as_number() == 4294967295.0);
    const json::array& gpus = plan.at("gpus").as_array();
    const json::array& root = gpus[0].at("threadblocks").as_array();
    REQUIRE(root.size() == 1);
    CHECK(operations(root[0]) ==
          std::vector<std::string>{"wait", "rlxwait", "nop", "pipeline", ".rres", ".nop", ".signal"});
    const json::array& leaf = gpus[1].at("threadblocks").as_array();
    REQUIRE(leaf.size() == 2);
    CHECK(operations(leaf[0]) == std::vector<std::string>{"signal"});
    CHECK(operations(leaf[1]) == std::vector<std::string>{"rlxsignal", "pipeline", ".wait"});
    CHECK(gpus[0].at("scratch_chunks").as_number() == 0);
    CHECK(gpus[1].at("channels").as_array()[0].at("connected_to").as_array().size() == 2);
}

TEST_CASE("a source copies its own part only where there are two buffers") {
    const auto root_of = [](bool in_place) {
        const std::string text =
            write_mscclpp_json(made::star_schedule(collective::broadcast, 2), {.in_place = in_place});
        return operations(json::parse(text).at("gpus").as_array()[0].at("threadblocks").as_array()[0]);
    };
    CHECK(root_of(true) == std::vector<std::string>{"rlxwait", "nop", "pipeline", ".put", ".nop", ".signal"});
    CHECK(root_of(false) == std::vector<std::string>{"copy", "rlxwait", "nop", "pipeline", ".put", ".nop", ".signal"});
}

TEST_CASE("a root with many children has two blocks, and a semaphore between them") {
    const json::value plan = json::parse(write_mscclpp_json(made::star_schedule(collective::allreduce, 10)));
    const json::value& root = plan.at("gpus").as_array()[0];
    const json::array& blocks = root.at("threadblocks").as_array();
    REQUIRE(blocks.size() == 2);
    CHECK(operations(blocks[0]) ==
          std::vector<std::string>{"wait", "wait", "nop", "pipeline", ".rre", ".nop", ".rre", ".nop", ".sem_release"});
    CHECK(operations(blocks[1]) == std::vector<std::string>{"rlxwait", "rlxwait", "nop", "pipeline", ".sem_acquire",
                                                            ".nop", ".put", ".put", ".nop", ".signal", ".signal"});
    CHECK(root.at("semaphores").as_array().size() == 1);
}

TEST_CASE("what the executor cannot do is refused by name") {
    CHECK_THROWS_WITH_AS((void)write_mscclpp_json(made::star_schedule(collective::reduce, 3)),
                         "export of reduce for MSCCL++: its executor has no reduce to one rank", usage_error);
    CHECK_THROWS_WITH_AS(
        (void)write_mscclpp_json(made::star_schedule(collective::allreduce, 18)),
        "export of allreduce for MSCCL++: a rank has more neighbours in a tree than the 16 channels of "
        "a thread block",
        usage_error);
}
