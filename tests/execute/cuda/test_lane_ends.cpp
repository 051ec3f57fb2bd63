// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/lane_ends.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernel_calls.hpp"
#include "made_schedules.hpp"

using namespace kernel_test;

namespace {

struct raise_atomically {
    void operator()(unsigned long long* word, unsigned long long value) const {
        const std::atomic_ref shared(*word);
        unsigned long long seen = shared.load();
        while (seen < value && !shared.compare_exchange_weak(seen, value)) {}
    }
};

constexpr std::uint64_t asked = 1'000'000;
constexpr std::uint64_t usual = 10;
constexpr std::uint64_t late = 5000;

/// Stamps where the emulating GPU does, by a clock that stands still: a chunk takes `late` ns in one lane and `usual`
/// in the others.
struct stamping_machine : thread_machine {
    unsigned long long* words;
    int ranks;
    int late_lane;

    void carry(int lane, int child, bool up, std::uint64_t bytes) const {
        thread_machine::carry(lane, child, up, bytes);
        stamp_lane(words, lane, child, ranks, asked, asked + (lane == late_lane ? late : usual), raise_atomically{});
    }
};

} // namespace

TEST_CASE("a call stamps each rank of each lane but roots, and each lane with its own times") {
    std::mt19937 random(8);
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce}) {
        for (const int late_lane : {0, 1, 2}) {
            const int ranks = 3;
            const std::size_t count = 6000;
            const schedule s = made::random_trees(kind, ranks, 3, 5, 0);
            const call_shape shape = make_shape(s, count, sizeof(std::int32_t),
                                                {.blocks = 3, .slot_memory = memory::slot_bytes, .chunk_bytes = 512});
            memory m(ranks);
            buffers<std::int32_t> b(random, s, count, false, 0);
            tree_call<std::int32_t> call = make_call(s, m, b, shape);
            for (int r = 0; r < ranks; ++r) { call.local_ranks[r] = static_cast<std::uint8_t>(r); }
            std::vector<unsigned long long> words(lane_end_words(s.lanes.size(), ranks), 0);
            run_blocks(shape.blocks, ranks, threads_per_block, [&](const thread_machine& on, block_state& state) {
                tree_block(stamping_machine{on, words.data(), ranks, late_lane}, call, to_runtime_schedule(s), sum{},
                           reinterpret_cast<std::int32_t**>(state.outputs.data()),
                           reinterpret_cast<const std::int32_t**>(state.sources.data()));
            });
            check_result(s, b, count);

            const auto ends = lane_ends(words, s.lanes.size(), ranks);
            REQUIRE(ends.size() == 3);
            for (std::size_t l = 0; l < ends.size(); ++l) {
                const double expected = static_cast<double>(static_cast<int>(l) == late_lane ? late : usual) * 1e-9;
                for (int r = 0; r < ranks; ++r) {
                    const double end = ends[l][static_cast<std::size_t>(r)];
                    CHECK(end == doctest::Approx(r == s.lanes[l].root ? 0 : expected));
                }
            }
            CHECK(spread_of(ends) == doctest::Approx(1 - static_cast<double>(usual) / late));
        }
    }
}

TEST_CASE("stamps keep the earliest beginning and the latest end, in any order") {
    std::vector<unsigned long long> words(lane_end_words(2, 2), 0);
    const auto stamp = [&](int lane, int rank, std::uint64_t asked, std::uint64_t came) {
        stamp_lane(words.data(), lane, rank, 2, asked, came, raise_atomically{});
    };
    stamp(0, 1, 5'000, 9'000);
    stamp(1, 0, 3'000, 7'000);
    stamp(0, 1, 4'000, 6'000);
    const auto ends = lane_ends(words, 2, 2);
    CHECK(ends[0][0] == 0);
    CHECK(ends[0][1] == doctest::Approx(6e-6));
    CHECK(ends[1][0] == doctest::Approx(4e-6));
    CHECK(ends[1][1] == 0);
    CHECK(spread_of(ends) == doctest::Approx(1.0 / 3));
}

TEST_CASE("an empty record says nothing, one of another size is refused") {
    const std::vector<unsigned long long> words(lane_end_words(2, 2), 0);
    CHECK(spread_of(lane_ends(words, 2, 2)) == 0);
    CHECK(spread_of({}) == 0);
    CHECK_THROWS_WITH_AS((void)lane_ends(words, 3, 2), "lane_ends: 5 words for 3 lanes of 2 ranks", blink::usage_error);
}
