// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace blink;
using namespace blink::cuda;

namespace {

using quad = static_schedule<static_lane<static_tree<-1, 0, 0, 1>>,
                             static_lane<static_tree<1, 3, 3, -1>, static_tree<3, 3, 1, -1>, 2>>;
static_assert(device_schedule<quad> && device_schedule<runtime_schedule> && !device_schedule<int>);
static_assert(quad::reduce_parent(0, 3) == 1 && quad::reduce_parent(0, 0) == no_rank);
static_assert(quad::broadcast_parent(1, 2) == 1 && quad::reduce_parent(1, 2) == 3);

} // namespace

TEST_CASE("both forms of a schedule name the same parents and children") {
    const schedule s = quad::value(collective::allreduce);
    verify(s);
    CHECK(s.lanes[1].share == doctest::Approx(2.0 / 3));
    CHECK(s.lanes[1].root == 3);
    const runtime_schedule run_time = to_runtime_schedule(s);
    for (int l = 0; l < 2; ++l) {
        for (int r = 0; r < 4; ++r) {
            CHECK(run_time.reduce_parent(l, r) == quad::reduce_parent(l, r));
            CHECK(run_time.broadcast_parent(l, r) == quad::broadcast_parent(l, r));
            const rank_list children = reduce_children(run_time, l, r, 4);
            const auto& expected = s.lanes[static_cast<std::size_t>(l)].roles[static_cast<std::size_t>(r)].reduce_from;
            REQUIRE(children.count == static_cast<int>(expected.size()));
            for (int i = 0; i < children.count; ++i) { CHECK(children[i] == expected[static_cast<std::size_t>(i)]); }
        }
    }
}

TEST_CASE("sixteen ranks fit, seventeen and unsorted children are refused") {
    schedule s{collective::allreduce, 16, 0, {lane{0, 1.0, std::vector<role>(16)}}};
    for (int r = 1; r < 16; ++r) {
        s.lanes[0].roles[static_cast<std::size_t>(r)].reduce_to = r - 1;
        s.lanes[0].roles[static_cast<std::size_t>(r - 1)].reduce_from = {r};
    }
    const runtime_schedule packed = to_runtime_schedule(s);
    CHECK(packed.reduce_parent(0, 15) == 14);
    CHECK(packed.reduce_parent(0, 0) == no_rank);
    s.lanes[0].roles[0].reduce_from = {2, 1};
    CHECK_THROWS_AS((void)to_runtime_schedule(s), schedule_error);
    s.ranks = 17;
    CHECK_THROWS_AS((void)to_runtime_schedule(s), schedule_error);
}

TEST_CASE("a fault survives its word and reads as a sentence") {
    const fault f{awaited::room, 15, 3, 31, 255, 123456};
    const fault back = fault::unpacked(f.packed());
    CHECK(back.what == f.what);
    CHECK(back.rank == f.rank);
    CHECK(back.peer == f.peer);
    CHECK(back.lane == f.lane);
    CHECK(back.block == f.block);
    CHECK(back.chunk == f.chunk);
    CHECK(describe(f, 1'500'000'000, 16) ==
          "rank 15 waited longer than 1500 ms for room for chunk 123456 by rank 3 (lane 31, block 255)");
    CHECK(describe(f, 1'500'000'000, 3) == "relay stop 12 waited longer than 1500 ms for room for chunk 123456 by "
                                           "relay stop 0 (lane 31, block 255)");
}
