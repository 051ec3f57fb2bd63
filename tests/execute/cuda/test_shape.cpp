// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/shape.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace blink;
using namespace blink::cuda;

namespace {

using two_lanes =
    static_schedule<static_lane<static_tree<-1, 0, 0>, static_tree<-1, 0, 0>, 3>, static_lane<static_tree<1, -1, 1>>>;

} // namespace

TEST_CASE("lanes and blocks cover all elements once, in order") {
    const schedule s = two_lanes::value(collective::allreduce);
    for (const std::size_t count : {0, 1, 2, 31, 32, 33, 1000, 100003, 50000000}) {
        for (const std::size_t size : {1, 2, 4, 8, 12, 16, 24, 100}) {
            CAPTURE(count);
            CAPTURE(size);
            const call_shape shape = make_shape(s, count, size, {});
            CHECK(shape.lanes[0].begin == 0);
            CHECK(shape.lanes[0].end == shape.lanes[1].begin);
            CHECK(shape.lanes[1].end == count);
            CHECK(shape.lanes[0].first_block == 0);
            CHECK(shape.lanes[0].blocks >= 1);
            CHECK(shape.lanes[1].first_block == shape.lanes[0].blocks);
            CHECK(shape.lanes[1].first_block + shape.lanes[1].blocks == shape.blocks);
            CHECK(shape.blocks <= 128);
            CHECK(shape.grain * size % 16 == 0);
            CHECK(shape.chunk_elements % shape.grain == 0);
            CHECK(shape.slot_bytes == shape.chunk_elements * size);
            CHECK(std::size_t{static_cast<unsigned>(shape.blocks)} * shape.slot_rows * shape.slots_per_child *
                      shape.slot_bytes <=
                  (32u << 20));
        }
    }
}

TEST_CASE("shards of which a call carries the beginnings stay where they are") {
    const schedule s{collective::reduce_scatter, 2, 0, {{0, 1, std::vector<role>(2)}, {1, 1, std::vector<role>(2)}}};
    const call_shape all = make_shape(s, 1000, 4, {});
    CHECK(all.lanes[1].in_offset == 1000);
    const call_shape some = make_shape(s, 600, 4, {.shard_stride = 1000});
    CHECK(some.lanes[0].in_offset == 0);
    CHECK(some.lanes[1].in_offset == 1000);
    CHECK(some.lanes[1].end == 600);
    CHECK(some.lanes[1].out_offset == 0);
}

TEST_CASE("large calls use all blocks, small ones a block for each lane") {
    const schedule s = two_lanes::value(collective::allreduce);
    CHECK(make_shape(s, 64u << 20, 4, {}).blocks == 128);
    CHECK(make_shape(s, 64, 4, {}).blocks == 2);
    CHECK(make_shape(s, 64u << 20, 4, {.blocks = 8}).blocks == 8);
}

TEST_CASE("equal lanes get equal numbers of blocks, and nobody a block that helps no one") {
    schedule six{collective::broadcast, 2, 0, {}};
    for (int l = 0; l < 6; ++l) { six.lanes.push_back({0, 1.0 / 6, std::vector<role>(2)}); }
    const call_shape shape = make_shape(six, 25u << 20, 4, {.blocks = 33}); // ends that are rounded to whole lines
    CHECK(shape.blocks == 30);
    for (int l = 0; l < 6; ++l) {
        CHECK(shape.lanes[static_cast<std::size_t>(l)].blocks == 5);
        CHECK(shape.lanes[static_cast<std::size_t>(l)].first_block == 5 * l);
    }
    six.lanes[0].share = 0.95;
    for (std::size_t l = 1; l < 6; ++l) { six.lanes[l].share = 0.01; }
    const call_shape uneven = make_shape(six, 6u << 22, 4, {.blocks = 10});
    CHECK(uneven.blocks == 10);
    CHECK(uneven.lanes[0].blocks == 5);
    CHECK(make_shape(six, 0, 4, {.blocks = 33}).blocks == 6);
}

TEST_CASE("blocks stay unused where the lanes then end together") {
    const auto dealt = [](const std::vector<double>& shares, int blocks) {
        schedule s{collective::broadcast, 2, 0, {}};
        for (const double share : shares) { s.lanes.push_back({0, share, std::vector<role>(2)}); }
        const call_shape shape = make_shape(s, 64u << 20, 4, {.blocks = blocks});
        std::vector<int> of_lanes;
        for (std::size_t l = 0; l < shares.size(); ++l) { of_lanes.push_back(shape.lanes[l].blocks); }
        return of_lanes;
    };
    CHECK(dealt({3 / 9.0, 2 / 9.0, 2 / 9.0, 1 / 9.0, 1 / 9.0}, 33) == std::vector{9, 6, 6, 3, 3});
    CHECK(dealt({0.6, 0.2, 0.2}, 51) == std::vector{30, 10, 10});
    // Those in proportion would be 23, fewer than evenness is worth.
    CHECK(dealt({12 / 23.0, 5 / 23.0, 2 / 23.0, 2 / 23.0, 2 / 23.0}, 33) == std::vector{17, 7, 3, 3, 3});
    CHECK(dealt({0.5, 0.5}, 128) == std::vector{64, 64});
    // 51, 17 and 17 would be in proportion, but smaller lanes may be ahead by a little.
    CHECK(dealt({0.6, 0.2, 0.2}, 88) == std::vector{52, 18, 18});
}

TEST_CASE("elements go half of the way towards blocks that could not be dealt in proportion") {
    const auto cut = [](collective kind, const std::vector<double>& shares, int blocks, std::size_t count) {
        schedule s{kind, 2, 0, {}};
        for (const double share : shares) { s.lanes.push_back({0, share, std::vector<role>(2)}); }
        const call_shape shape = make_shape(s, count, 4, {.blocks = blocks});
        std::vector<double> parts;
        std::uint64_t end = 0;
        for (std::size_t l = 0; l < shares.size(); ++l) {
            CHECK(shape.lanes[l].begin == end);
            end = shape.lanes[l].end;
            CHECK((end % shape.grain == 0 || end == count));
            parts.push_back(static_cast<double>(end - shape.lanes[l].begin) / static_cast<double>(count));
        }
        CHECK(end == count);
        return parts;
    };
    const std::vector<double> five{12 / 23.0, 5 / 23.0, 2 / 23.0, 2 / 23.0, 2 / 23.0}; // 17, 7, 3, 3 and 3 blocks of 33
    const auto shifted = cut(collective::allreduce, five, 33, (64u << 20) + 5);
    CHECK(shifted[0] == doctest::Approx((12 / 23.0 + 17 / 33.0) / 2).epsilon(1e-4));
    CHECK(shifted[4] == doctest::Approx((2 / 23.0 + 3 / 33.0) / 2).epsilon(1e-4));
    // In proportion, or nearly so, or with lanes so small that a block is out of all proportion: as planned.
    CHECK(cut(collective::allreduce, five, 23, 64u << 20)[4] == doctest::Approx(2 / 23.0).epsilon(1e-4));
    CHECK(cut(collective::allreduce, {0.6, 0.2, 0.2}, 88, 64u << 20)[2] == doctest::Approx(0.2).epsilon(1e-4));
    CHECK(cut(collective::broadcast, {0.9, 0.05, 0.05}, 8, 64u << 20)[2] == doctest::Approx(0.05).epsilon(1e-4));
    CHECK(cut(collective::broadcast, {0.5, 0.5}, 2, 3)[1] == 1); // nothing is lost of a call of one line
}

TEST_CASE("a shape that does not fit is refused") {
    const schedule s = two_lanes::value(collective::allreduce);
    CHECK_THROWS_AS((void)make_shape(s, 1000, 4, {.blocks = 1}), usage_error);
    CHECK_THROWS_AS((void)make_shape(s, 1000, std::size_t{1} << 20, {.slot_memory = 1u << 20}), usage_error);
}

TEST_CASE("a chosen chunk is kept, rounded to whole lines") {
    const schedule s = two_lanes::value(collective::allreduce);
    CHECK(make_shape(s, 64u << 20, 4, {.chunk_bytes = 20000}).slot_bytes == 19968);
    CHECK(make_shape(s, 64u << 20, 4, {.chunk_bytes = 1}).slot_bytes == 128);
}
