// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/error.hpp>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

using namespace blink;
using namespace blink::cuda;

TEST_CASE("short calls go straight where they can, then in lines, long ones in chunks") {
    CHECK(choose_protocol(protocol::automatic, 1024, 8, true) == protocol::all_pairs);
    CHECK(choose_protocol(protocol::automatic, 1024, 8, false) == protocol::lines);
    const tuning tuned{.lines_up_to = 3000, .all_pairs_up_to = 2000};
    CHECK(choose_protocol(protocol::automatic, 2000, 2, true, tuned) == protocol::all_pairs);
    CHECK(choose_protocol(protocol::automatic, 2000, 3, true, tuned) == protocol::lines);
    CHECK(choose_protocol(protocol::automatic, 1000, 3, true, tuned) == protocol::all_pairs);
    CHECK(choose_protocol(protocol::automatic, 3000, 8, false, tuned) == protocol::lines);
    CHECK(choose_protocol(protocol::automatic, 3001, 2, true, tuned) == protocol::chunks);
    CHECK(choose_protocol(protocol::automatic, 1, 1, true) == protocol::lines);
    for (const protocol asked : {protocol::chunks, protocol::lines, protocol::all_pairs}) {
        CHECK(choose_protocol(asked, 1, 2, false) == asked);
        CHECK(choose_protocol(asked, std::size_t{1} << 30, 2, true) == asked);
        CHECK(protocol_from(to_string(asked)) == asked);
    }
    CHECK_THROWS_AS((void)protocol_from("simple"), usage_error);
}

TEST_CASE("all pairs of four GPUs of a DGX-1V and of a DGX-2 are joined, of a whole DGX-1V not") {
    CHECK(joins_all_pairs(make_fabric(induced(topology(dgx1v), std::vector<int>{0, 1, 2, 3}))));
    CHECK(joins_all_pairs(make_fabric(topology(dgx2))));
    CHECK_FALSE(joins_all_pairs(make_fabric(topology(dgx1v))));
}
