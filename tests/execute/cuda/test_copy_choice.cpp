// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/schedule/exchange.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>

using blink::collective;
using blink::protocol;
using blink::tuning;
using namespace blink::cuda;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

copy_call floats(collective kind, std::size_t bytes, int ranks = 2) {
    return copy_call_of(kind, ranks, bytes / sizeof(float), sizeof(float));
}

copy_shape shaped(collective kind, std::size_t bytes, std::size_t chunk = 0, const tuning& t = {}) {
    return shape_copies(floats(kind, bytes), sizeof(float), chunk, t);
}

} // namespace

TEST_CASE("copies are taken between two ranks from the tuned size on, or where they are asked for") {
    tuning t;
    t.copies_from = 8 * mib;
    t.copies_reduce_from = 32 * mib;
    t.copies_all_reduce_from = 16 * mib;
    t.copies_from_captured = 2 * mib;
    t.host_share_from = 32 * mib;
    bool captured = false;
    const auto taken = [&](protocol how, const copy_call& c) {
        return takes_copies(how, c, t, [&captured] { return captured; });
    };
    const auto by_itself = [&](const copy_call& c) { return taken(protocol::automatic, c); };
    CHECK(by_itself(floats(collective::broadcast, 8 * mib)));
    CHECK_FALSE(by_itself(floats(collective::broadcast, 8 * mib - 4)));
    CHECK(by_itself(floats(collective::allgather, 8 * mib)));
    CHECK_FALSE(by_itself(floats(collective::allreduce, 8 * mib)));
    CHECK(by_itself(floats(collective::allreduce, 16 * mib))); // copies alone are faster than kernels
    CHECK_FALSE(by_itself(floats(collective::allreduce, 16 * mib, 3)));
    CHECK(by_itself(floats(collective::reduce, 32 * mib)));
    CHECK_FALSE(by_itself(floats(collective::reduce_scatter, 1024 * mib)));
    t.host_share_from = 32 * mib + 1;
    CHECK(least_copied(floats(collective::reduce, 32 * mib), t) == 32 * mib + 1);
    CHECK(least_copied(floats(collective::reduce_scatter, 32 * mib), t) == 0);
    CHECK(least_copied(floats(collective::broadcast, 32 * mib), t) == 8 * mib);
    CHECK_FALSE(by_itself(floats(collective::reduce, 32 * mib)));
    t.host_share_from = 0;
    CHECK_FALSE(by_itself(floats(collective::broadcast, 1024 * mib, 3)));
    CHECK(taken(protocol::copies, floats(collective::broadcast, 4, 3)));
    CHECK_FALSE(taken(protocol::chunks, floats(collective::broadcast, 1024 * mib)));
    captured = true;
    CHECK(by_itself(floats(collective::broadcast, 2 * mib)));
    CHECK_FALSE(by_itself(floats(collective::broadcast, 2 * mib - 4)));
    CHECK_FALSE(by_itself(floats(collective::allreduce, 16 * mib - 4)));
    t.host_share_all_reduce = 0;
    CHECK(by_itself(floats(collective::allreduce, 16 * mib)));
    CHECK(by_itself(floats(collective::reduce, 32 * mib)));
    t.host_share = 0; // then kernels reduce as fast
    CHECK_FALSE(by_itself(floats(collective::reduce, 32 * mib)));
    t.copies_from = t.copies_from_captured = t.copies_all_reduce_from = 0;
    CHECK_FALSE(by_itself(floats(collective::allreduce, 1024 * mib)));
    CHECK_FALSE(by_itself(floats(collective::broadcast, 1024 * mib)));
    CHECK(taken(protocol::copies, floats(collective::broadcast, 4)));
}

TEST_CASE("with half of the blocks or fewer copies carry an AllReduce from half the size on") {
    const tuning t{.most_blocks = 100, .copies_all_reduce_from = 64 * mib};
    for (const int blocks : {0, 51, 100, 200}) { CHECK(tuned_for_blocks(t, blocks) == t); }
    for (const int blocks : {1, 32, 50}) {
        CHECK(tuned_for_blocks(t, blocks).copies_all_reduce_from == 32 * mib);
        CHECK(tuned_for_blocks(t, blocks).copies_from == t.copies_from);
    }
}

TEST_CASE("an exchange goes both ways where both ranks send") {
    const copy_call gathered = copy_call_of(blink::make_gather(2, 0, 100), 4);
    CHECK(gathered.crossing == 400);
    CHECK_FALSE(gathered.both_ways);
    CHECK(gathered.bytes == 800);
    const copy_call all = copy_call_of(blink::make_alltoall(2, 100), 4);
    CHECK(all.crossing == 400);
    CHECK(all.both_ways);
}

TEST_CASE("the share over the host grows with the call up to the tuned one, and is none for short calls") {
    const tuning t;
    for (const collective kind : {collective::broadcast, collective::allreduce, collective::reduce_scatter}) {
        CAPTURE(blink::to_string(kind));
        const bool all_reduce = kind == collective::allreduce;
        const std::size_t from = all_reduce ? t.host_share_all_reduce_from : t.host_share_from;
        const int tuned = all_reduce               ? t.host_share_all_reduce
                          : blink::is_rooted(kind) ? t.host_share
                                                   : t.host_share_both;
        const double full = tuned / 1000.0;
        CHECK(shaped(kind, mib).host_share == 0);
        CHECK(shaped(kind, from - 4).host_share == 0);
        CHECK(shaped(kind, from).host_share > full / 2);
        double last = 0;
        for (std::size_t bytes = 2 * mib; bytes <= 4096 * mib; bytes *= 2) {
            const double now = shaped(kind, bytes).host_share;
            CHECK(now >= last);
            CHECK(now <= full);
            last = now;
        }
        CHECK(last > 0.95 * full);
    }
}

TEST_CASE("a chunk of the caller's makes pieces over the host small too, so that short calls have some") {
    tuning t;
    t.host_share_all_reduce = 300;
    const copy_shape shape = shaped(collective::allreduce, 400000, 4096, t);
    CHECK(shape.chunk == 1024);
    CHECK(shape.host_piece == 256);
    CHECK(shape.host_share > 0.25);
    CHECK(shape.host_share < 0.3);
    t.host_share_all_reduce = 0;
    CHECK(shaped(collective::allreduce, 1024 * mib, 0, t).host_share == 0);
    t.host_share_all_reduce = 1000;
    CHECK(shaped(collective::allreduce, 400000, 4096, t).host_share == 1);
}

TEST_CASE("an AllReduce of two ranks is cut into few large copies") {
    const auto over_link = [](std::size_t bytes, std::uint64_t in_place) {
        const copy_program p =
            program_of(collective::allreduce, 2, 0, bytes / sizeof(float), sizeof(float), in_place, 0, {});
        CHECK(p.by_kernels == 0);
        CHECK(p.slot_elements * sizeof(float) <= 144 * mib);
        CHECK(p.host_elements > 0);
        CHECK(p.steps.back().from.place == copy_place::in); // combines what came over the host
        return std::ranges::count_if(p.steps, [](const copy_step& s) {
            return !s.combines && s.from.place != copy_place::host && s.to.place != copy_place::host;
        });
    };
    for (const std::size_t bytes : {256 * mib, 1024 * mib, 4096 * mib}) { CHECK(over_link(bytes, 0) == 8); }
    CHECK(over_link(256 * mib, 3) == 8);
    CHECK(over_link(1024 * mib, 3) == 32);
    CHECK(over_link(1024 * mib, 1) == 20); // rank 1's results are apart
}

TEST_CASE("a gigabyte takes a bounded number of orders and little memory") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        CAPTURE(blink::to_string(kind));
        const copy_program program = program_of(
            kind, 2, 0, 1024 * mib / sizeof(float) / (blink::is_sharded(kind) ? 2 : 1), sizeof(float), 0, 0, {});
        CHECK(program.actions.size() < 1600);
        CHECK(program.slot_elements * sizeof(float) <= 80 * mib);
        CHECK(program.host_elements * sizeof(float) <= 64 * mib);
    }
    const copy_program eight = program_of(collective::allreduce, 8, 0, 256 * mib, sizeof(float), 0, 0, {});
    CHECK(eight.slot_elements * sizeof(float) <= 65 * mib);
    CHECK(eight.host_elements == 0);
}
