// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/allreduce.hpp>
#include <blink/alltoall.hpp>
#include <blink/gather.hpp>
#include <blink/scatter.hpp>
#include <blink/send_recv.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

using blink::host_group;

namespace {

constexpr unsigned char poison = 0xC5;

/// Any trivially copyable type goes, also one that tiles no vector.
struct three_bytes {
    unsigned char b[3];
    bool operator==(const three_bytes&) const = default;
};

template <class T>
T value(int rank, std::size_t i) {
    const auto x = static_cast<std::uint64_t>(rank + 1) * 0x9E3779B97F4A7C15ULL + i * 0xBF58476D1CE4E5B9ULL;
    if constexpr (std::is_same_v<T, three_bytes>) {
        return {{static_cast<unsigned char>(x >> 20), static_cast<unsigned char>(x >> 40),
                 static_cast<unsigned char>(x >> 52)}};
    } else {
        return static_cast<T>(x >> 33);
    }
}

template <class T>
T poisoned() {
    T t{};
    std::memset(static_cast<void*>(&t), poison, sizeof t);
    return t;
}

template <class T>
blink::rank_buffers<T> filled(const host_group& g, std::size_t count) {
    auto b = g.make_buffers<T>(count);
    for (int r = 0; r < g.size(); ++r) {
        b.fill(r, [r](std::size_t i) { return value<T>(r, i); });
    }
    return b;
}

template <class T>
blink::rank_buffers<T> poisoned_buffers(const host_group& g, std::size_t count) {
    auto b = g.make_buffers<T>(count);
    for (int r = 0; r < g.size(); ++r) { b.fill(r, poisoned<T>()); }
    return b;
}

/// Runs each of the makers' calls and holds every element of every output against its source.
template <class T>
void check_all(int ranks, std::size_t count, int threads) {
    host_group g({.ranks = ranks, .threads = threads});
    const auto n = static_cast<std::size_t>(ranks);
    const auto in = filled<T>(g, n * count + 1);
    for (int root = 0; root < ranks; ++root) {
        const auto gathered = poisoned_buffers<T>(g, n * count + 1);
        const auto scattered = poisoned_buffers<T>(g, n * count + 1);
        const auto exchanged = poisoned_buffers<T>(g, n * count + 1);
        blink::gather(g, in, gathered, count, root);
        blink::scatter(g, in, scattered, count, root);
        blink::alltoall(g, in, exchanged, count);
        g.synchronize();
        std::size_t wrong = 0;
        for (int r = 0; r < ranks; ++r) {
            const auto a = gathered.read(r);
            const auto b = scattered.read(r);
            const auto c = exchanged.read(r);
            for (std::size_t i = 0; i <= n * count; ++i) {
                const bool behind = i == n * count;
                const auto from = behind ? 0 : static_cast<int>(i / count);
                const std::size_t at = behind ? 0 : i % count;
                const auto own = static_cast<std::size_t>(r) * count;
                wrong += a[i] == (r != root || behind ? poisoned<T>() : value<T>(from, at)) ? 0U : 1U;
                wrong += b[i] == (i >= count ? poisoned<T>() : value<T>(root, own + i)) ? 0U : 1U;
                wrong += c[i] == (behind ? poisoned<T>() : value<T>(from, own + at)) ? 0U : 1U;
            }
        }
        CAPTURE(ranks);
        CAPTURE(count);
        CAPTURE(root);
        CHECK(wrong == 0);
    }
}

} // namespace

static_assert(blink::exchange_group<host_group> && blink::exchange_group<blink::local_group>);

TEST_CASE("gather, scatter and alltoall are right for every root, size and type") {
    for (const int ranks : {1, 2, 3, 8}) {
        for (const std::size_t count : {0, 1, 2, 1009, 20'011}) { check_all<std::int32_t>(ranks, count, 3); }
    }
    check_all<double>(5, 3001, 1);
    check_all<std::int8_t>(5, 100'003, 4);
    check_all<three_bytes>(4, 50'021, 4);
}

TEST_CASE("in place a root keeps its shard where it is") {
    host_group g({.ranks = 4});
    constexpr std::size_t count = 777;
    auto shards = filled<int>(g, count);
    auto all = poisoned_buffers<int>(g, 4 * count);
    for (const int root : {0, 3}) {
        std::vector<const int*> from{shards[0], shards[1], shards[2], shards[3]};
        std::vector<int*> to{nullptr, nullptr, nullptr, nullptr};
        const auto i = static_cast<std::size_t>(root);
        to[i] = all[root];
        std::copy_n(shards[root], count, all[root] + i * count);
        from[i] = all[root] + i * count;
        blink::gather(g, from, to, count, root);
        for (std::size_t k = 0; k < 4 * count; ++k) {
            REQUIRE(all[root][k] == value<int>(static_cast<int>(k / count), k % count));
        }
        // And back again, into buffers of the others.
        auto back = poisoned_buffers<int>(g, count);
        std::vector<const int*> source{nullptr, nullptr, nullptr, nullptr};
        source[i] = all[root];
        std::vector<int*> parts{back[0], back[1], back[2], back[3]};
        parts[i] = all[root] + i * count;
        blink::scatter(g, source, parts, count, root);
        for (int r = 0; r < 4; ++r) {
            for (std::size_t k = 0; k < count; ++k) {
                REQUIRE(parts[static_cast<std::size_t>(r)][k] == value<int>(r, k));
            }
        }
    }
    CHECK_THROWS_WITH_AS(blink::alltoall(g, all, all, count), doctest::Contains("in place is not possible"),
                         blink::usage_error);
    CHECK(g.status() == blink::group_status::ready);
}

TEST_CASE("random transfers land where they should, and nowhere else") {
    std::mt19937 random(7);
    host_group g({.ranks = 5, .threads = 3});
    constexpr std::size_t size = 5000;
    for (int round = 0; round < 30; ++round) {
        const auto in = filled<std::int64_t>(g, size);
        const auto out = poisoned_buffers<std::int64_t>(g, size);
        std::vector<std::vector<std::int64_t>> expected(5, std::vector<std::int64_t>(size, poisoned<std::int64_t>()));
        std::vector<blink::transfer> list;
        for (int to = 0; to < 5; ++to) {
            for (std::size_t at = random() % 50; at < size;) {
                const std::size_t count = std::min<std::size_t>(random() % 2000, size - at);
                const int from = static_cast<int>(random() % 5);
                const std::size_t begin = random() % (size - count + 1);
                list.push_back({from, to, begin, at, count});
                for (std::size_t i = 0; i < count; ++i) {
                    expected[static_cast<std::size_t>(to)][at + i] = value<std::int64_t>(from, begin + i);
                }
                at += count + random() % 3;
            }
        }
        blink::send_recv(g, list, in, out, {.chunk = blink::fixed_chunk{4096}});
        for (int r = 0; r < 5; ++r) { CHECK(out.read(r) == expected[static_cast<std::size_t>(r)]); }
    }
}

TEST_CASE("what is wrong is said before anything moves; an abort ends the group") {
    host_group g({.ranks = 3});
    const auto in = filled<int>(g, 10);
    const auto out = poisoned_buffers<int>(g, 30);
    CHECK_THROWS_WITH_AS(blink::gather(g, in, out, 10, 3), "gather: root 3 is none of the ranks 0..2",
                         blink::usage_error);
    CHECK_THROWS_AS(blink::gather(g, in, in, 10), blink::usage_error); // the outputs are too short
    CHECK_THROWS_AS(g.run(blink::make_alltoall(2, 1), std::span<const int* const>{}, std::span<int* const>{}),
                    blink::usage_error);
    const std::vector<blink::transfer> nowhere{{.from = 0, .to = 7, .in_offset = 0, .out_offset = 0, .count = 1}};
    CHECK_THROWS_AS(blink::send_recv(g, nowhere, in, out), blink::usage_error);
    for (int r = 0; r < 3; ++r) { CHECK(out.read(r) == std::vector<int>(30, poisoned<int>())); }
    blink::gather(g, in, out, 10);
    g.abort();
    CHECK_THROWS_AS(blink::gather(g, in, out, 10), blink::aborted_error);
    CHECK(g.status() == blink::group_status::aborted);
}
