// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// In which type contributions are combined and what is done to them before, bit by bit, on every path of the executors.
#include <blink/core/operators.hpp>
#include <blink/execute/host/executor.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "made_schedules.hpp"
#include "small_floats.hpp"
#include "stream_calls.hpp"

using namespace kernel_test;

namespace {

enum class path { chunks, cells, all_pairs, host };

/// Runs one call of all ranks; the results are in `b.out`.
template <class T, class Op>
void run(path how, const schedule& s, buffers<T>& b, std::size_t count, const Op& op) {
    const auto on_every_rank = [&](const auto& enter_as) {
        std::vector<std::jthread> ranks;
        for (int r = 0; r < s.ranks; ++r) { ranks.emplace_back(enter_as, r); }
    };
    if (how == path::host) {
        host::execute<T>(s, std::span<const T* const>(b.in), std::span<T* const>(b.out), count, op, {.threads = 2});
    } else if (how == path::chunks) {
        memory m(s.ranks);
        const call_shape shape =
            make_shape(s, count, sizeof(T), {static_cast<int>(s.lanes.size()), memory::slot_bytes, 256});
        const tree_call<T> call = make_call(s, m, b, shape);
        on_every_rank([&](int r) { enter(call, s, r, shape.blocks, op); });
        CHECK(m.words[0] == 0);
    } else {
        // Streams go on from call to call, whatever travels in them.
        static std::map<int, stream_memory_of> memories;
        stream_memory_of& m = memories.try_emplace(s.ranks, s.ranks).first->second;
        const bool trees = how == path::cells;
        const schedule straight = one_lane(s.ranks);
        const schedule& lanes = trees ? s : straight;
        const auto shape = stream_shape<T>(lanes, count, static_cast<int>(lanes.lanes.size()));
        REQUIRE(shape);
        const stream_call<T> call = make_call(lanes, m, b, *shape);
        on_every_rank([&](int r) { enter_stream(call, lanes, trees, r, shape->blocks, op); });
        CHECK(m.words[0] == 0);
    }
}

/// What the result has to be, bit by bit. `W` is the type in which a rank combines.
template <class T, class W>
struct reference {
    const schedule& s;
    const buffers<T>& b;
    std::function<W(W, W)> op;
    std::function<W(W, int)> prepare;
    std::function<W(W)> finish;

    [[nodiscard]] W own(int rank, std::size_t i) const {
        return prepare(static_cast<W>(b.original[static_cast<std::size_t>(rank)][i]), rank);
    }
    /// What `rank` has once its children's partial results are in, before it is rounded.
    [[nodiscard]] W total(const lane& l, int rank, std::size_t i) const {
        W t = own(rank, i);
        for (const int child : l.roles[static_cast<std::size_t>(rank)].reduce_from) {
            t = op(t, static_cast<W>(static_cast<T>(total(l, child, i))));
        }
        return t;
    }
    [[nodiscard]] T over_tree(const lane& l, std::size_t i) const {
        return static_cast<T>(finish(total(l, l.root, i)));
    }
    [[nodiscard]] T straight(std::size_t i) const {
        auto t = static_cast<W>(static_cast<T>(own(0, i)));
        for (int r = 1; r < s.ranks; ++r) { t = op(t, static_cast<W>(static_cast<T>(own(r, i)))); }
        return static_cast<T>(finish(t));
    }
};

template <class T>
T random_element(std::mt19937& random) {
    if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(random() % 19);
    } else {
        return static_cast<T>((static_cast<float>(random() % 20001) - 10000) / 2500);
    }
}

/// Runs `op` on random data over every path, in and out of place, and compares all results with the reference.
template <class T, class W, class Op>
void check_bits(collective kind, const Op& op, const std::function<W(W, W)>& plain,
                const std::function<W(W, int)>& prepare, const std::function<W(W)>& finish) {
    std::mt19937 random(17);
    constexpr int ranks = 4;
    // One lane, or one for each root, so that the elements of a lane are known without the grain of the executor.
    schedule s = is_sharded(kind) ? made::random_forest(kind, ranks, 1, 5) : made::random_trees(kind, ranks, 1, 6, 0);
    for (lane& l : s.lanes) {
        for (role& r : l.roles) { std::ranges::sort(r.reduce_from); }
    }
    verify(s);
    std::vector<path> paths{path::chunks, path::cells, path::host};
    if (kind == collective::allreduce) { paths.push_back(path::all_pairs); }
    for (const path how : paths) {
        for (const bool in_place : {false, true}) {
            const std::size_t count = 301;
            const auto make = [&](std::size_t, std::size_t) { return random_element<T>(random); };
            buffers<T> b(make, s, count, in_place, in_place ? 0 : 1);
            run(how, s, b, count, op);
            const reference<T, W> wanted{s, b, plain, prepare, finish};
            std::size_t wrong = 0;
            for (int r = 0; r < ranks; ++r) {
                if (!writes_output(kind, s.root, r)) { continue; }
                const auto rank = static_cast<std::size_t>(r);
                const bool sharded = is_sharded(kind);
                const lane& l = *std::ranges::find_if(s.lanes, [&](const lane& x) { return !sharded || x.root == r; });
                for (std::size_t i = 0; i < count; ++i) {
                    const std::size_t at = sharded ? rank * count + i : i;
                    const T expected = how == path::all_pairs ? wanted.straight(at) : wanted.over_tree(l, at);
                    wrong += std::memcmp(&b.out[rank][i], &expected, sizeof(T)) != 0 ? 1 : 0;
                }
            }
            CAPTURE(to_string(kind));
            CAPTURE(static_cast<int>(how));
            CAPTURE(in_place);
            CHECK(wrong == 0);
        }
    }
}

constexpr std::array reductions{collective::allreduce, collective::reduce, collective::reduce_scatter};

template <class W>
const std::function<W(W, W)> plus_of = [](W a, W b) { return static_cast<W>(a + b); };
template <class W>
const std::function<W(W, int)> as_it_is = [](W x, int) { return x; };
template <class W>
const std::function<W(W)> unfinished = [](W x) { return x; };

/// A user's operator that names its accumulator: of shorts, sums that saturate only in the end.
struct saturating_sum {
    using accumulator = std::int32_t;
    std::int32_t operator()(std::int32_t a, std::int32_t b) const { return a + b; }
    std::int32_t finish(std::int32_t total, int /*ranks*/) const { return std::clamp(total, -20, 20); }
};

/// Runs three ranks in a star on one value each, over every path.
template <class T, class Op>
std::vector<T> of_star(const std::array<T, 3>& values, const Op& op) {
    using star = static_schedule<static_lane<static_tree<-1, 0, 0>>>;
    const schedule s = star::value(collective::allreduce);
    std::vector<T> results;
    for (const path how : {path::chunks, path::cells, path::all_pairs, path::host}) {
        const auto make = [&](std::size_t r, std::size_t) { return values[r]; };
        buffers<T> b(make, s, 37, false, 0);
        run(how, s, b, 37, op);
        for (const T* const out : b.out) { results.insert(results.end(), out, out + 37); }
    }
    return results;
}

template <class T, class Op>
void check_star(const std::array<float, 3>& values, const Op& op, float expected) {
    const std::array<T, 3> inputs{T(values[0]), T(values[1]), T(values[2])};
    const std::vector<T> results = of_star(inputs, op);
    CHECK(results.size() == 4 * 3 * 37);
    CHECK(std::ranges::count(results, T(expected)) == static_cast<std::ptrdiff_t>(results.size()));
}

static_assert(preparing_operator<premul_sum<float>, made::bfloat16> && !preparing_operator<sum, float>);
static_assert(std::is_same_v<accumulator_of<sum, made::fp8_e4m3>, float> &&
              std::is_same_v<accumulator_of<sum, int>, int>);
static_assert(std::is_same_v<accumulator_of<in_own_type<sum>, made::float16>, made::float16>);
static_assert(std::is_same_v<accumulator_of<in_own_type<saturating_sum>, std::int8_t>, std::int8_t>);

} // namespace

TEST_CASE("a rank adds in float and rounds once; in its own type it rounds every time") {
    // 257 is no bfloat16 and becomes 256 again, 17 no e4m3; their doubles' neighbours are.
    check_star<made::bfloat16>({256, 1, 1}, sum{}, 258);
    check_star<made::bfloat16>({256, 1, 1}, in_own_type<sum>{}, 256);
    check_star<made::fp8_e4m3>({16, 1, 1}, sum{}, 18);
    check_star<made::fp8_e4m3>({16, 1, 1}, in_own_type<sum>{}, 16);
    check_star<made::float16>({2048, 1, 1}, sum{}, 2050);
    check_star<made::float16>({2048, 1, 1}, in_own_type<sum>{}, 2048);
    // 258 / 3 and 256 / 3; the division is rounded like the sum.
    check_star<made::bfloat16>({256, 1, 1}, avg{}, 86);
    check_star<made::bfloat16>({256, 1, 1}, in_own_type<avg>{}, 85.5F);
    // A total that is no float16 is one again after the division.
    check_star<made::float16>({60000, 60000, 60000}, avg{}, 60000);
    check_star<made::float16>({60000, 60000, 60000}, in_own_type<avg>{}, std::numeric_limits<float>::infinity());
}

TEST_CASE("fp8 has no arithmetic of its own and stays finite") {
    check_star<made::fp8_e4m3>({-6, 448, 3}, blink::max{}, 448);
    check_star<made::fp8_e4m3>({-6, 448, 3}, blink::min{}, -6);
    check_star<made::fp8_e4m3>({400, 400, 400}, sum{}, 448);
    check_star<made::fp8_e5m2>({3, -4, 1.5F}, prod{}, -16); // -18 is a tie
    check_star<made::fp8_e5m2>({5, 5, 5}, in_own_type<prod>{}, 128);
    check_star<made::fp8_e5m2>({57344, 57344, -57344}, avg{}, 20480);
}

TEST_CASE_TEMPLATE("every path rounds where the reference does", T, made::bfloat16, made::fp8_e4m3, made::fp8_e5m2) {
    for (const collective kind : reductions) {
        check_bits<T, float>(kind, sum{}, plus_of<float>, as_it_is<float>, unfinished<float>);
        check_bits<T, T>(
            kind, in_own_type<sum>{}, [](T a, T b) { return T(float(a) + float(b)); }, as_it_is<T>, unfinished<T>);
        check_bits<T, float>(kind, avg{}, plus_of<float>, as_it_is<float>, [](float x) { return x / 4.0F; });
        check_bits<T, float>(
            kind, premul_sum{0.3F}, plus_of<float>, [](float x, int) { return x * 0.3F; }, unfinished<float>);
    }
}

TEST_CASE("every rank's own input is multiplied once, by the factor of that rank where there are several") {
    const std::array<double, 4> factors{0.5, -3, 7, 0.1};
    const premul_sum_from<double, 16> by_rank{{&factors[0], &factors[1], &factors[2], &factors[3]}};
    for (const collective kind : reductions) {
        check_bits<double, double>(
            kind, by_rank, plus_of<double>, [&](double x, int r) { return x * factors[static_cast<std::size_t>(r)]; },
            unfinished<double>);
        check_bits<made::bfloat16, float>(
            kind, by_rank, plus_of<float>,
            [&](float x, int r) { return x * static_cast<float>(factors[static_cast<std::size_t>(r)]); },
            unfinished<float>);
        check_bits<made::bfloat16, made::bfloat16>(
            kind, in_own_type{premul_sum{0.3F}},
            [](made::bfloat16 a, made::bfloat16 b) { return made::bfloat16(float(a) + float(b)); },
            [](made::bfloat16 x, int) { return made::bfloat16(float(x) * 0.3F); }, unfinished<made::bfloat16>);
        check_bits<std::int16_t, std::int16_t>(
            kind, premul_sum{3}, plus_of<std::int16_t>,
            [](std::int16_t x, int) { return static_cast<std::int16_t>(3 * x); }, unfinished<std::int16_t>);
    }
}

TEST_CASE("a user's operator combines in the accumulator that it names") {
    for (const collective kind : reductions) {
        check_bits<std::int8_t, std::int32_t>(kind, saturating_sum{}, plus_of<std::int32_t>, as_it_is<std::int32_t>,
                                              [](std::int32_t x) { return std::clamp(x, -20, 20); });
    }
}

TEST_CASE("who has no factor is named before anything moves") {
    const float one = 1;
    const schedule s = made::random_trees(collective::allreduce, 3, 1, 1);
    std::mt19937 random(3);
    buffers<float> b(random, s, 10, false, 0);
    const auto untouched = b.memory;
    const auto complain = [&](const auto& op) {
        CHECK_THROWS_WITH_AS(run(path::host, s, b, 10, op), "premul_sum_from: rank 2 of 3 has no factor", usage_error);
        CHECK(b.memory.size() == untouched.size());
        for (std::size_t k = 0; k < untouched.size(); ++k) {
            CHECK(std::memcmp(b.memory[k].data(), untouched[k].data(), untouched[k].size() * sizeof(float)) == 0);
        }
    };
    complain(premul_sum_from<float, 2>{{&one, &one}});
    complain(premul_sum_from<float, 4>{{&one, &one}});
    CHECK_NOTHROW(run(path::host, s, b, 10, premul_sum_from<float, 3>{{&one, &one, &one}}));
}

TEST_CASE("a schedule known to the compiler prepares like one known at run time") {
    using chain = static_schedule<static_lane<static_tree<-1, 0, 1>>, static_lane<static_tree<2, 2, -1>>>;
    std::mt19937 random(4);
    const schedule s = chain::value(collective::allreduce);
    memory m(3);
    buffers<std::int32_t> b(random, s, 3001, false, 0);
    const call_shape shape = make_shape(s, 3001, sizeof(std::int32_t), {2, memory::slot_bytes, 2048});
    tree_call<std::int32_t> call = make_call(s, m, b, shape);
    for (std::uint8_t r = 0; r < 3; ++r) { call.local_ranks[r] = r; }
    run_kernel(call, chain{}, premul_sum{-5}, shape.blocks, 3, threads_per_block);
    for (auto& of_rank : b.original) {
        for (std::int32_t& x : of_rank) { x *= -5; }
    }
    check_result(s, b, 3001);
}
