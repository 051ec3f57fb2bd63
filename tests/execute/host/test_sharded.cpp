// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/host/executor.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

#include "guarded.hpp"
#include "made_schedules.hpp"

using blink::collective;
namespace host = blink::host;

namespace {

const std::vector<std::size_t> odd_sizes{0, 1, 2, 3, 7, 63, 65, 257, 1009, 4097};

/// Every output must hold the shards of all ranks, and nothing else may change.
template <class T>
void check_allgather(const blink::schedule& s, std::size_t count, bool in_place, std::size_t offset) {
    const auto n = static_cast<std::size_t>(s.ranks);
    const auto values = made::random_inputs<T>(s.ranks, count, 5);
    std::vector<made::guarded<T>> in(n, made::guarded<T>(count, offset)), out(n, made::guarded<T>(n * count, offset));
    std::vector<const T*> from(n);
    std::vector<T*> to(n);
    for (std::size_t r = 0; r < n; ++r) {
        to[r] = out[r].data();
        from[r] = in_place ? out[r].data() + r * count : in[r].data();
        std::copy(values[r].begin(), values[r].end(), const_cast<T*>(from[r]));
    }
    host::execute<T>(s, from, to, count, blink::no_operator{}, {.chunk = blink::fixed_chunk{300}});
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < n; ++r) {
        CHECK(in[r].zones_whole());
        CHECK(out[r].zones_whole());
        for (std::size_t q = 0; q < n; ++q) {
            for (std::size_t i = 0; i < count; ++i) { wrong += !(to[r][q * count + i] == values[q][i]); }
        }
    }
    CHECK(wrong == 0);
}

template <class T, class Op>
void check_reduce_scatter(const blink::schedule& s, std::size_t count, bool in_place, const Op& op) {
    const auto n = static_cast<std::size_t>(s.ranks);
    const auto values = made::random_inputs<T>(s.ranks, n * count, 6);
    std::vector<made::guarded<T>> in(n, made::guarded<T>(n * count)), out(n, made::guarded<T>(count));
    std::vector<const T*> from(n);
    std::vector<T*> to(n);
    for (std::size_t r = 0; r < n; ++r) {
        in[r].set(values[r]);
        from[r] = in[r].data();
        to[r] = in_place ? in[r].data() + r * count : out[r].data();
    }
    host::execute<T>(s, from, to, count, op, {.chunk = blink::fixed_chunk{300}});
    std::size_t wrong = 0, changed = 0;
    for (std::size_t r = 0; r < n; ++r) {
        CHECK(in[r].zones_whole());
        CHECK(out[r].zones_whole());
        if (in_place) { CHECK(out[r].untouched()); }
        for (std::size_t i = 0; i < count; ++i) { wrong += !made::is_total(to[r][i], values, r * count + i, op); }
        for (std::size_t i = 0; i < n * count; ++i) {
            const bool own = in_place && i / count == r;
            changed += !own && !(from[r][i] == values[r][i]);
        }
    }
    CHECK(wrong == 0);
    CHECK(changed == 0);
}

} // namespace

TEST_CASE("an allgather over random forests is right in every shard, apart and in place") {
    for (const int ranks : {1, 2, 3, 8, 16}) {
        const blink::schedule s = made::random_forest(collective::allgather, ranks, 2, 31);
        blink::verify(s);
        CAPTURE(ranks);
        for (const std::size_t count : odd_sizes) {
            CAPTURE(count);
            check_allgather<float>(s, count, false, 1);
            check_allgather<double>(s, count, true, 0);
            check_allgather<made::triple>(s, count, count % 2 == 0, 0);
        }
    }
}

TEST_CASE("a reduce_scatter over random forests is right in every shard, apart and in place") {
    for (const int ranks : {1, 2, 3, 8, 16}) {
        const blink::schedule s = made::random_forest(collective::reduce_scatter, ranks, 2, 32);
        blink::verify(s);
        CAPTURE(ranks);
        for (const std::size_t count : odd_sizes) {
            CAPTURE(count);
            check_reduce_scatter<float>(s, count, false, blink::sum{});
            check_reduce_scatter<int>(s, count, true, blink::max{});
            check_reduce_scatter<double>(s, count, true, blink::avg{});
        }
    }
}

TEST_CASE("a shard that the lanes of its root do not cover is refused before anything moves") {
    blink::schedule s = made::random_forest(collective::allgather, 4, 1, 33);
    s.lanes[1].share = 0.5;
    s.lanes[2].share = 0;
    CHECK_THROWS_WITH_AS(blink::verify(s), "the lanes of root 1 carry 0.500000 of the data, not its shard of 1/4",
                         blink::schedule_error);
    CHECK_THROWS_AS((void)host::compile(s), blink::schedule_error);
}

TEST_CASE("buffers of a sharded collective may be in place at their shard, and nowhere else") {
    const blink::schedule s = made::random_forest(collective::allgather, 2, 1, 34);
    std::vector<float> a(200, 1.0F), b(200, 2.0F);
    const std::vector<float*> out{a.data(), b.data()};
    std::vector<const float*> in{a.data(), b.data() + 100};
    host::execute<float>(s, in, out, 100, blink::no_operator{});
    CHECK(a[150] == 2.0F);
    in[1] = b.data();
    CHECK_THROWS_AS(host::execute<float>(s, in, out, 100, blink::no_operator{}), blink::usage_error);
}
