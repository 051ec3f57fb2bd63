// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/bulk_choice.hpp>
#include <blink/schedule/schedule.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

using namespace blink;
using namespace blink::cuda;

TEST_CASE("long calls over few blocks go by bulk copies") {
    const tuning tuned{.bulk_from = 4000, .bulk_blocks = 8};
    const schedule all{collective::allreduce, 4, 0, {}};
    CHECK(is_for_bulk(all, 1000, 4, 8, tuned));
    CHECK(!is_for_bulk(all, 999, 4, 8, tuned));
    CHECK(!is_for_bulk(all, 1000, 4, 9, tuned));
    for (const collective kind : {collective::allgather, collective::reduce_scatter}) {
        CHECK(is_for_bulk({kind, 4, 0, {}}, 250, 4, 1, tuned));
        CHECK(!is_for_bulk({kind, 4, 0, {}}, 249, 4, 1, tuned));
    }
    CHECK(!is_for_bulk(all, std::size_t{1} << 40, 4, 1, {.bulk_from = 0}));
}

TEST_CASE("bulk copies want all buffers and shards on sixteen bytes") {
    alignas(16) float memory[64];
    tree_call<float> call{};
    call.ranks = 2;
    call.lane_count = 2;
    for (int r = 0; r < 2; ++r) {
        call.in[r] = memory + 4 * r;
        call.out[r] = memory + 32 + 4 * r;
    }
    CHECK(lies_in_bulk(call));
    call.lanes[1].in_offset = 4;
    call.lanes[1].out_offset = 8;
    CHECK(lies_in_bulk(call));
    call.lanes[1].out_offset = 9;
    CHECK(!lies_in_bulk(call));
    call.lanes[1].out_offset = 8;
    call.lanes[1].in_offset = 2;
    CHECK(!lies_in_bulk(call));
    call.lanes[1].in_offset = 0;
    call.out[1] = memory + 33;
    CHECK(!lies_in_bulk(call));
    call.out[1] = memory + 36;
    call.in[0] = memory + 1;
    CHECK(!lies_in_bulk(call));
    CHECK(travels_in_bulk<std::uint8_t>);
    CHECK(travels_in_bulk<double>);
    CHECK(!travels_in_bulk<char[12]>);
}
