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
    const tuning tuned{
        .lines_up_to = 3000, .packets_up_to = 5000, .all_pairs_up_to = 2000, .all_pairs_packets_up_to = 4000};
    const auto chosen = [&](std::size_t bytes, int ranks, bool straight, bool packets = true) {
        return choose_protocol(protocol::automatic, bytes, ranks, straight, packets, tuned);
    };
    CHECK(chosen(2000, 2, true) == protocol::all_pairs);
    CHECK(chosen(2000, 3, true) == protocol::all_pairs_packets);
    CHECK(chosen(2000, 3, true, false) == protocol::lines);
    CHECK(chosen(2000, 3, false) == protocol::lines);
    CHECK(chosen(1000, 3, true) == protocol::all_pairs);
    CHECK(chosen(4000, 2, true) == protocol::all_pairs_packets);
    CHECK(chosen(4001, 2, true) == protocol::packets);
    CHECK(chosen(3000, 8, false) == protocol::lines);
    CHECK(chosen(5000, 8, false) == protocol::packets);
    CHECK(chosen(3001, 8, false, false) == protocol::chunks);
    CHECK(chosen(5001, 2, true) == protocol::chunks);
    CHECK(chosen(1, 1, true) == protocol::lines);
    for (const protocol asked : {protocol::chunks, protocol::lines, protocol::all_pairs, protocol::packets,
                                 protocol::all_pairs_packets, protocol::pull, protocol::copies}) {
        CHECK(choose_protocol(asked, 1, 2, false, false) == asked);
        CHECK(choose_protocol(asked, std::size_t{1} << 30, 2, true, true) == asked);
        CHECK(protocol_from(to_string(asked)) == asked);
    }
    CHECK_THROWS_AS((void)protocol_from("simple"), usage_error);
}

TEST_CASE("all pairs of four GPUs of a DGX-1V and of a DGX-2 are joined, of a whole DGX-1V not") {
    CHECK(joins_all_pairs(make_fabric(induced(topology(dgx1v), std::vector<int>{0, 1, 2, 3}))));
    CHECK(joins_all_pairs(make_fabric(topology(dgx2))));
    CHECK_FALSE(joins_all_pairs(make_fabric(topology(dgx1v))));
    CHECK(carries_packets(make_fabric(topology(dgx2))));
    CHECK_FALSE(carries_packets(make_fabric(topology(pcie4))));
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
