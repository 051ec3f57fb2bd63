// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/host/executor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <thread>

#include "guarded.hpp"
#include "made_schedules.hpp"

using blink::collective;
namespace host = blink::host;

namespace {

struct setting {
    bool in_place = false;
    std::size_t offset = 0;
    std::size_t chunk = 0; ///< bytes; 0: automatic
};

/// Runs `s` on random data and checks every element, every red zone and every buffer that must not be touched.
/// Returns the bytes of all outputs.
template <class T, class Op>
std::vector<T> check(const blink::schedule& s, std::size_t count, const Op& op, const setting& how = {},
                     unsigned seed = 1) {
    static host::worker_pool pool(3);
    const auto n = static_cast<std::size_t>(s.ranks);
    const auto values = made::random_inputs<T>(s.ranks, count, seed);
    std::vector<made::guarded<T>> in(n, made::guarded<T>(count, how.offset)), out = in;
    std::vector<const T*> from(n);
    std::vector<T*> to(n);
    for (std::size_t r = 0; r < n; ++r) {
        const int rank = static_cast<int>(r);
        auto& place = how.in_place ? out[r] : in[r];
        const bool reads = blink::reads_input(s.kind, s.root, rank),
                   writes = blink::writes_output(s.kind, s.root, rank);
        if (reads) { place.set(values[r]); }
        from[r] = reads ? place.data() : nullptr;
        to[r] = writes ? out[r].data() : nullptr;
    }
    host::execute_options options;
    if (how.chunk > 0) { options.chunk = blink::fixed_chunk{how.chunk}; }
    host::execute<T>(pool, host::compile(s), from, to, count, op, options);

    std::size_t wrong = 0;
    std::vector<T> results;
    for (std::size_t r = 0; r < n; ++r) {
        const int rank = static_cast<int>(r);
        CHECK(in[r].zones_whole());
        CHECK(out[r].zones_whole());
        if (!how.in_place && blink::reads_input(s.kind, s.root, rank)) {
            wrong += count > 0 && std::memcmp(in[r].data(), values[r].data(), count * sizeof(T)) != 0;
        }
        if (!blink::writes_output(s.kind, s.root, rank)) {
            if (!how.in_place) { CHECK(out[r].untouched()); }
            continue;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const T got = out[r].data()[i];
            if constexpr (std::is_same_v<Op, blink::no_operator>) {
                wrong += !(got == values[static_cast<std::size_t>(s.root)][i]);
            } else {
                wrong += !made::is_total(got, values, i, op);
            }
        }
        results.insert(results.end(), out[r].data(), out[r].data() + count);
    }
    CHECK(wrong == 0);
    return results;
}

template <class T>
void check_operators(const blink::schedule& s, std::size_t count) {
    check<T>(s, count, blink::sum{});
    check<T>(s, count, blink::prod{}, {.in_place = true});
    check<T>(s, count, blink::min{}, {.offset = 1});
    check<T>(s, count, blink::max{}, {.in_place = true, .offset = 1});
    check<T>(s, count, blink::avg{}, {.chunk = 256});
    check<T>(s, count, [](auto a, auto b) { return a < b ? b : a; });
}

const std::vector<std::size_t> odd_sizes{0, 1, 2, 3, 7, 63, 64, 65, 255, 257, 1009, 4095, 4096, 4097};

} // namespace

TEST_CASE("an allreduce over random trees is right in every element, for odd sizes, apart and in place") {
    for (const int ranks : {1, 2, 3, 5, 8, 16}) {
        for (const int lanes : {1, 2, 5}) {
            const auto s =
                made::random_trees(collective::allreduce, ranks, lanes, static_cast<unsigned>(ranks + lanes));
            CAPTURE(ranks);
            CAPTURE(lanes);
            for (const std::size_t count : odd_sizes) {
                CAPTURE(count);
                check<float>(s, count, blink::sum{}, {.offset = 1, .chunk = 100});
                check<double>(s, count, blink::sum{}, {.in_place = true});
            }
        }
    }
}

TEST_CASE("broadcast and reduce are right from and to every root, and touch no other buffer") {
    for (const int ranks : {1, 2, 3, 8}) {
        for (int root = 0; root < ranks; ++root) {
            CAPTURE(ranks);
            CAPTURE(root);
            for (const bool in_place : {false, true}) {
                for (const std::size_t count : {0, 1, 3, 1009}) {
                    const setting how{in_place, 0, 512};
                    check<int>(made::random_trees(collective::reduce, ranks, 3, 7, root), count, blink::sum{}, how);
                    check<double>(made::random_trees(collective::reduce, ranks, 2, 8, root), count, blink::avg{}, how);
                    check<int>(made::random_trees(collective::broadcast, ranks, 3, 9, root), count,
                               blink::no_operator{}, how);
                }
            }
        }
    }
}

TEST_CASE("every arithmetic type and every operator is right") {
    const auto s = made::random_trees(collective::allreduce, 8, 3, 42);
    for (const std::size_t count : {5, 1031}) {
        check_operators<float>(s, count);
        check_operators<std::int8_t>(s, count);
        check_operators<std::uint64_t>(s, count);
        check<double>(s, count, blink::max{});
        check<std::int16_t>(s, count, blink::sum{}, {.in_place = true});
        check<std::int32_t>(s, count, blink::avg{}, {.offset = 1});
        check<std::int64_t>(s, count, blink::prod{}, {.chunk = 128});
        check<std::uint8_t>(s, count, blink::sum{}, {.in_place = true, .offset = 1});
        check<std::uint16_t>(s, count, blink::min{});
        check<std::uint32_t>(s, count, blink::avg{}, {.in_place = true});
    }
}

TEST_CASE("a user's struct and operator are right") {
    for (const int ranks : {1, 2, 7, 16}) {
        const auto s = made::random_trees(collective::allreduce, ranks, 4, 5);
        for (const std::size_t count : odd_sizes) {
            check<made::triple>(s, count, made::add_and_keep_largest{}, {.chunk = 1000});
            check<made::triple>(s, count, made::add_and_keep_largest{}, {.in_place = true});
        }
        check<made::triple>(made::random_trees(collective::broadcast, ranks, 2, 5, ranks - 1), 333,
                            blink::no_operator{});
    }
}

TEST_CASE("an element that is large, has no default and cannot be assigned is carried all the same") {
    struct sealed {
        explicit sealed(int v) : value(v) {}
        const int value;
        int padding[30] = {};
    };
    static_assert(blink::element<sealed> && !std::is_copy_assignable_v<sealed>);
    const auto s = made::random_trees(collective::allreduce, 4, 2, 3);
    std::vector<std::vector<sealed>> data(4);
    for (int r = 0; r < 4; ++r) {
        for (int i = 0; i < 37; ++i) { data[static_cast<std::size_t>(r)].emplace_back(r * 100 + i); }
    }
    std::vector<const sealed*> in;
    std::vector<sealed*> out;
    for (auto& d : data) {
        in.push_back(d.data());
        out.push_back(d.data());
    }
    host::execute<sealed>(s, in, out, 37, [](const sealed& a, const sealed& b) { return sealed(a.value + b.value); });
    for (const auto& d : data) {
        for (int i = 0; i < 37; ++i) { CHECK(d[static_cast<std::size_t>(i)].value == 600 + 4 * i); }
    }
}

TEST_CASE("a ring, whose reduce and broadcast trees differ, is right") {
    for (const int ranks : {2, 3, 8, 13}) {
        for (const std::size_t count : odd_sizes) {
            check<int>(made::ring(ranks), count, blink::sum{}, {.chunk = 64});
            check<float>(made::ring(ranks), count, blink::sum{}, {.in_place = true});
        }
    }
}

TEST_CASE("a message of many chunks is right, with more workers than cores too") {
    const auto s = made::random_trees(collective::allreduce, 8, 6, 1);
    check<float>(s, 300'007, blink::sum{});
    check<float>(s, 300'007, blink::sum{}, {.in_place = true, .chunk = 4096});
    check<std::int64_t>(made::random_trees(collective::reduce, 8, 6, 1, 5), 150'001, blink::sum{});
    check<std::int64_t>(made::random_trees(collective::broadcast, 8, 6, 1, 5), 150'001, blink::no_operator{});
}

TEST_CASE("every rank and every run get the same bits") {
    const std::size_t count = 100'003;
    const auto s = made::random_trees(collective::allreduce, 8, 6, 11);
    const auto first = check<float>(s, count, blink::sum{}, {}, 99);
    for (std::size_t r = 1; r < 8; ++r) {
        CHECK(std::memcmp(first.data(), first.data() + r * count, count * sizeof(float)) == 0);
    }
    for (const setting how : {setting{}, setting{true, 0, 0}, setting{false, 1, 4096}}) {
        const auto again = check<float>(s, count, blink::sum{}, how, 99);
        CHECK(std::memcmp(first.data(), again.data(), first.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("what the operator throws reaches the caller, from whichever worker, and the pool stays usable") {
    host::worker_pool pool(3);
    const auto compiled = host::compile(made::random_trees(collective::allreduce, 4, 3, 2));
    std::vector<std::vector<int>> data(4, std::vector<int>(400'000, 1));
    data[2][399'000] = -1;
    std::vector<const int*> in;
    std::vector<int*> out;
    for (auto& d : data) {
        in.push_back(d.data());
        out.push_back(d.data());
    }
    const auto refuse = [](int a, int b) {
        if (a < 0 || b < 0) { throw std::domain_error("negative"); }
        return a + b;
    };
    CHECK_THROWS_WITH_AS(host::execute<int>(pool, compiled, in, out, 400'000, refuse), "negative", std::domain_error);
    for (auto& d : data) { d.assign(400'000, 1); }
    host::execute<int>(pool, compiled, in, out, 400'000, refuse);
    CHECK(data[3][399'000] == 4);
}

TEST_CASE("a step that takes longer than the deadline ends as timeout_error that names rank, lane and chunk") {
    std::vector<std::vector<int>> data(3, std::vector<int>(6, 1));
    std::vector<const int*> in{data[0].data(), data[1].data(), data[2].data()};
    std::vector<int*> out{data[0].data(), data[1].data(), data[2].data()};
    const auto slow = [](int a, int b) {
        std::this_thread::sleep_for(std::chrono::milliseconds(15));
        return a + b;
    };
    const host::execute_options options{.chunk = blink::fixed_chunk{4}, .timeout = std::chrono::milliseconds(5)};
    const auto start = std::chrono::steady_clock::now();
    CHECK_THROWS_WITH_AS(
        host::execute<int>(made::random_trees(collective::allreduce, 3, 1, 2), in, out, 6, slow, options),
        doctest::Contains("lane 0, chunk 0 took"), blink::timeout_error);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE("an abort ends the collective as aborted_error") {
    std::vector<float> a(1000, 1), b(1000, 1);
    const std::atomic<bool> stop = true;
    const std::vector<const float*> in{a.data(), b.data()};
    const std::vector<float*> out{a.data(), b.data()};
    CHECK_THROWS_AS(host::execute<float>(made::ring(2), in, out, 1000, blink::sum{}, {.abort = &stop}),
                    blink::aborted_error);
}

TEST_CASE("a chunk policy is told what its collectives took") {
    struct policy {
        std::size_t seen = 0;
        std::size_t chunk_bytes(std::size_t) const { return 128; }
        void observe(std::size_t bytes, double seconds) { seen += seconds > 0 ? bytes : 0; }
    };
    policy p;
    std::vector<float> a(1000, 1), b(1000, 2);
    const std::vector<const float*> in{a.data(), b.data()};
    const std::vector<float*> out{a.data(), b.data()};
    host::execute<float>(made::ring(2), in, out, 1000, blink::sum{}, {.chunk = std::ref(p)});
    CHECK(p.seen == 4000);
    CHECK(a[999] == 3);
}
