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

TEST_CASE("calls go straight where they can, then in cells, long ones in chunks") {
    const tuning tuned{.cells_up_to = 3000, .all_pairs_up_to = 4000};
    const auto chosen = [&](std::size_t bytes, int ranks, bool straight, collective kind = collective::allreduce) {
        return choose_protocol(protocol::automatic, kind, bytes, ranks, straight, tuned);
    };
    CHECK(chosen(4000, 2, true) == protocol::all_pairs);
    CHECK(chosen(4001, 2, true) == protocol::chunks);
    CHECK(chosen(2000, 3, true) == protocol::all_pairs);
    CHECK(chosen(2001, 3, true) == protocol::chunks);
    CHECK(chosen(750, 3, false) == protocol::cells);
    CHECK(chosen(751, 3, false) == protocol::chunks);
    CHECK(chosen(1500, 2, false, collective::allgather) == protocol::cells);
    CHECK(chosen(1501, 2, false, collective::allgather) == protocol::chunks);
    CHECK(chosen(3000, 2, false, collective::reduce) == protocol::cells);
    CHECK(chosen(3001, 2, false, collective::broadcast) == protocol::chunks);
    CHECK(chosen(1, 1, true) == protocol::cells);
    for (const protocol asked :
         {protocol::chunks, protocol::cells, protocol::all_pairs, protocol::pull, protocol::copies}) {
        CHECK(choose_protocol(asked, collective::reduce, 1, 2, false) == asked);
        CHECK(choose_protocol(asked, collective::allreduce, std::size_t{1} << 30, 2, true) == asked);
        CHECK(protocol_from(to_string(asked)) == asked);
    }
    CHECK_THROWS_AS((void)protocol_from("simple"), usage_error);
}

TEST_CASE("the fewer blocks there are, the shorter are the calls that go in cells") {
    const tuning tuned{.cells_up_to = 8000, .all_pairs_up_to = 8000, .most_blocks = 100};
    const auto chosen = [&](std::size_t bytes, int blocks, bool straight) {
        return choose_protocol(protocol::automatic, collective::reduce, bytes, 2, straight, tuned, blocks);
    };
    for (const bool straight : {true, false}) {
        const protocol wanted = straight ? protocol::all_pairs : protocol::cells;
        CHECK(chosen(8000, 0, straight) == wanted);
        CHECK(chosen(8000, 128, straight) == wanted);
        CHECK(chosen(8000, 50, straight) == protocol::chunks);
        CHECK(chosen(4000, 50, straight) == wanted);
        CHECK(chosen(80, 1, straight) == wanted);
        CHECK(chosen(81, 1, straight) == protocol::chunks);
    }
}

TEST_CASE("all pairs of four GPUs of a DGX-1V and of a DGX-2 are joined, of a whole DGX-1V not") {
    CHECK(joins_all_pairs(make_fabric(induced(topology(dgx1v), std::vector<int>{0, 1, 2, 3}))));
    CHECK(joins_all_pairs(make_fabric(topology(dgx2))));
    CHECK_FALSE(joins_all_pairs(make_fabric(topology(dgx1v))));
}

TEST_CASE("GPUs of a DGX-2 are joined by NVLink alone, those of a machine without it by none") {
    CHECK(is_all_nvlink(make_fabric(topology(dgx2))));
    CHECK_FALSE(is_all_nvlink(make_fabric(topology(pcie4))));
}

TEST_CASE("parents can pull where every contribution lies in a buffer") {
    const auto tree = [](collective kind, int parent_of_2) {
        schedule s{kind, 3, 0, {lane{0, 1.0, std::vector<role>(3)}}};
        for (const auto& [child, parent] : {std::pair{1, 0}, std::pair{2, parent_of_2}}) {
            s.lanes[0].roles[static_cast<std::size_t>(child)].reduce_to = parent;
            s.lanes[0].roles[static_cast<std::size_t>(parent)].reduce_from.push_back(child);
        }
        return s;
    };
    CHECK(can_pull(tree(collective::reduce, 0)));
    CHECK_FALSE(can_pull(tree(collective::reduce, 1))); // rank 1 has no output for what it adds up
    CHECK(can_pull(tree(collective::reduce_scatter, 0)));
    CHECK_FALSE(can_pull(tree(collective::reduce_scatter, 1)));
    CHECK(can_pull(tree(collective::allreduce, 1)));
    CHECK_FALSE(can_pull(one_lane(collective::broadcast, 3)));
    CHECK_FALSE(can_pull(one_lane(collective::allgather, 3)));
}
