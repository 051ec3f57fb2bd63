// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Data that could be taken for something else: every pattern of small numbers with its NaNs, values of flags, zeros
// with a sign. What is only handed on arrives bit by bit.
#include <blink/core/operators.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "made_schedules.hpp"
#include "small_floats.hpp"
#include "stream_calls.hpp"

using namespace kernel_test;

namespace {

template <class T>
std::vector<T> all_patterns() {
    std::vector<T> all(std::size_t{1} << (8 * sizeof(T)));
    std::iota(reinterpret_cast<decltype(T::bits)*>(all.data()),
              reinterpret_cast<decltype(T::bits)*>(all.data() + all.size()), decltype(T::bits){0});
    return all;
}

/// Wrong elements of all outputs of a broadcast or an allgather, by their bits.
template <class T>
std::size_t wrong_bits(const schedule& s, const buffers<T>& b, std::size_t count) {
    std::size_t wrong = 0;
    for (const T* const out : b.out) {
        for (std::size_t i = 0; i < output_count(s.kind, s.ranks, count); ++i) {
            const T& expected = s.kind == collective::allgather ? b.original[i / count][i % count]
                                                                : b.original[static_cast<std::size_t>(s.root)][i];
            wrong += std::memcmp(&out[i], &expected, sizeof(T)) != 0 ? 1 : 0;
        }
    }
    return wrong;
}

template <class Enter>
void on_every_rank(int ranks, const Enter& enter_as) {
    std::vector<std::jthread> threads;
    for (int r = 0; r < ranks; ++r) { threads.emplace_back(enter_as, r); }
}

constexpr int ranks = 3;

/// A broadcast and an allgather of `values`, turned by one more element on each rank. The operator would add in float;
/// nothing may be added, and nothing may go to float and back.
template <class T>
void hand_on(const std::vector<T>& values) {
    for (const collective kind : {collective::broadcast, collective::allgather}) {
        const schedule s =
            is_sharded(kind) ? made::random_forest(kind, ranks, 1, 3) : made::random_trees(kind, ranks, 1, 4, 1);
        CAPTURE(to_string(kind));
        const auto make = [&](std::size_t r, std::size_t i) { return values[(i + r) % values.size()]; };
        {
            memory m(ranks);
            buffers<T> b(make, s, values.size(), false, 0);
            const call_shape shape =
                make_shape(s, values.size(), sizeof(T), {static_cast<int>(s.lanes.size()), memory::slot_bytes, 4096});
            const tree_call<T> call = make_call(s, m, b, shape);
            on_every_rank(ranks, [&](int r) { enter(call, s, r, shape.blocks, sum{}); });
            CHECK(wrong_bits(s, b, values.size()) == 0);
        }
        stream_memory_of m(ranks);
        buffers<T> b(make, s, values.size(), false, 1);
        const auto shape = stream_shape<T>(s, values.size(), static_cast<int>(s.lanes.size()));
        REQUIRE(shape);
        const stream_call<T> call = make_call(s, m, b, *shape);
        on_every_rank(ranks, [&](int r) { enter_stream(call, s, true, r, shape->blocks, sum{}); });
        CHECK(wrong_bits(s, b, values.size()) == 0);
    }
}

} // namespace

TEST_CASE("every pattern of a small number is handed on bit by bit, NaNs too") {
    hand_on(all_patterns<made::fp8_e4m3>());
    hand_on(all_patterns<made::fp8_e5m2>());
    const std::vector<made::float16> halves = all_patterns<made::float16>();
    for (std::size_t at = 0; at < halves.size(); at += 8192) {
        const auto from = halves.begin() + static_cast<std::ptrdiff_t>(at);
        hand_on(std::vector<made::float16>(from, from + 8192));
    }
}

TEST_CASE("data that look like the filler, its decoy or a note are data, bit by bit") {
    constexpr std::size_t count = 700;
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::allgather}) {
        for (const bool trees : {true, false}) {
            if (!trees && kind != collective::allreduce) { continue; }
            stream_memory_of m(ranks);
            const schedule s = !trees             ? one_lane(ranks)
                               : is_sharded(kind) ? made::random_forest(kind, ranks, 1, 3)
                                                  : made::random_trees(kind, ranks, 1, 9, 0);
            const auto shape = stream_shape<std::uint64_t>(s, count, static_cast<int>(s.lanes.size()));
            REQUIRE(shape);
            for (std::uint64_t number = 0; number < 4; ++number) {
                const std::array<std::uint64_t, 7> looks{
                    filler, decoy, filler ^ 2U, 0, ~std::uint64_t{0}, number << 2U | 3U, filler & 0xFFFFFFFFU};
                const auto make = [&](std::size_t r, std::size_t i) {
                    return number == 0   ? filler
                           : number == 1 ? decoy
                                         : looks[(i / number + r * (i % 3)) % looks.size()];
                };
                buffers<std::uint64_t> b(make, s, count, number % 2 == 0, 0);
                const stream_call<std::uint64_t> call = make_call(s, m, b, *shape);
                on_every_rank(ranks, [&](int r) { enter_stream(call, s, trees, r, shape->blocks, sum{}); });
                CHECK(m.words[0] == 0);
                check_result(s, b, count);
            }
        }
    }
}

TEST_CASE("zeros keep their sign where all have it, NaN and infinity stay what they are") {
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::array<std::array<float, 3>, 5> inputs{
        {{-0.0F, -0.0F, -0.0F}, {-0.0F, 0.0F, -0.0F}, {inf, 1, 2}, {inf, -inf, 0}, {nan, 1, 2}}};
    const std::array<float, 5> expected{-0.0F, 0.0F, inf, nan, nan};
    const auto check = [&]<class T>(T, bool cells) {
        const schedule s = made::random_trees(collective::allreduce, ranks, 1, 7);
        const auto make = [&](std::size_t r, std::size_t i) { return static_cast<T>(inputs[i % 5][r]); };
        buffers<T> b(make, s, 50, false, 0);
        memory m(ranks);
        stream_memory_of l(ranks);
        if (cells) {
            const auto shape = stream_shape<T>(s, 50, 1);
            REQUIRE(shape);
            const stream_call<T> call = make_call(s, l, b, *shape);
            on_every_rank(ranks, [&](int r) { enter_stream(call, s, true, r, shape->blocks); });
        } else {
            const call_shape shape = make_shape(s, 50, sizeof(T), {1, memory::slot_bytes, 0});
            const tree_call<T> call = make_call(s, m, b, shape);
            on_every_rank(ranks, [&](int r) { enter(call, s, r, shape.blocks); });
        }
        for (const T* const out : b.out) {
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < 50; ++i) {
                const auto got = static_cast<float>(out[i]);
                const float wanted = expected[i % 5];
                const bool same =
                    std::isnan(wanted) ? std::isnan(got) : got == wanted && std::signbit(got) == std::signbit(wanted);
                wrong += same ? 0 : 1;
            }
            CHECK(wrong == 0);
        }
    };
    for (const bool cells : {false, true}) {
        check(float{}, cells);
        check(made::bfloat16{}, cells);
        check(made::float16{}, cells);
    }
}
