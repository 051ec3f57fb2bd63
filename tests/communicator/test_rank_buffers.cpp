// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/rank_buffers.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <type_traits>

using blink::rank_buffers;

namespace {

rank_buffers<int> made(int ranks, std::size_t count) {
    return rank_buffers<int>(std::make_shared<blink::host_memory>(), ranks, count);
}

/// Counts what is given back.
struct counting final : blink::rank_memory {
    explicit counting(int& alive) : alive_(alive) {}
    void* allocate(int rank, std::size_t bytes) override {
        ++alive_;
        return host_.allocate(rank, bytes);
    }
    void release(int rank, void* memory, std::size_t bytes) noexcept override {
        --alive_;
        host_.release(rank, memory, bytes);
    }
    void write(int rank, void* to, const void* from, std::size_t bytes) override { host_.write(rank, to, from, bytes); }
    void read(int rank, void* to, const void* from, std::size_t bytes) override { host_.read(rank, to, from, bytes); }
    int& alive_;
    blink::host_memory host_;
};

} // namespace

static_assert(std::is_nothrow_move_constructible_v<rank_buffers<int>> &&
              !std::is_copy_constructible_v<rank_buffers<int>>);

TEST_CASE("buffers are zeroed, aligned, and apart") {
    const auto b = made(3, 100);
    CHECK(b.size() == 3);
    CHECK(b.count() == 100);
    CHECK(b.bytes() == 400);
    for (int r = 0; r < 3; ++r) {
        CHECK(b.read(r) == std::vector<int>(100, 0));
        CHECK(reinterpret_cast<std::uintptr_t>(b[r]) % 256 == 0);
    }
    CHECK(b[0] != b[1]);
}

TEST_CASE("what is assigned or filled is read back, and the other ranks keep theirs") {
    auto b = made(2, 3);
    b.assign(0, std::vector{1, 2, 3});
    CHECK(b.read(0) == std::vector{1, 2, 3});
    b.fill(1, 7);
    CHECK(b.read(1) == std::vector{7, 7, 7});
    b.fill(0, [](std::size_t i) { return static_cast<int>(i * i); });
    CHECK(b.read(0) == std::vector{0, 1, 4});
    CHECK(b.read(1) == std::vector{7, 7, 7});
}

TEST_CASE("buffers of no elements work") {
    auto b = made(2, 0);
    b.assign(1, {});
    b.fill(0, 5);
    CHECK(b.read(0).empty());
}

TEST_CASE("unknown ranks and wrong counts are refused") {
    auto b = made(2, 3);
    CHECK_THROWS_WITH_AS((void)b[2], "rank_buffers: rank 2 is none of 0..1", blink::usage_error);
    CHECK_THROWS_AS((void)b.read(-1), blink::usage_error);
    CHECK_THROWS_WITH_AS(b.assign(0, std::vector{1, 2}), "rank_buffers::assign: 2 elements for a buffer of 3",
                         blink::usage_error);
}

TEST_CASE("every buffer is given back once, when the owner ends or takes over others") {
    int alive = 0;
    {
        rank_buffers<int> b(std::make_shared<counting>(alive), 4, 10);
        CHECK(alive == 4);
        rank_buffers<int> c(std::make_shared<counting>(alive), 2, 10);
        CHECK(alive == 6);
        b = std::move(c);
        CHECK(alive == 2);
        CHECK(b.size() == 2);
        b.fill(1, 1);
    }
    CHECK(alive == 0);
}
