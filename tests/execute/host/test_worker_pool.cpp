// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/error.hpp>
#include <blink/execute/host/worker_pool.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using blink::host::worker_pool;

TEST_CASE("each worker does the task once, and what it wrote is there afterwards") {
    worker_pool pool(4);
    std::vector<int> done(4, 0);
    for (int round = 0; round < 500; ++round) {
        const int workers = 1 + round % 4;
        const auto before = done;
        pool.run(workers, [&](int w) { ++done[static_cast<std::size_t>(w)]; });
        for (int w = 0; w < 4; ++w) {
            CHECK(done[static_cast<std::size_t>(w)] - before[static_cast<std::size_t>(w)] == (w < workers));
        }
    }
}

TEST_CASE("more workers than the pool has are not started") {
    worker_pool pool(2);
    std::vector<int> done(5, 0);
    pool.run(5, [&](int w) { ++done[static_cast<std::size_t>(w)]; });
    CHECK(done == std::vector<int>{1, 1, 0, 0, 0});
}

TEST_CASE("a pool has at least one worker, and as many as the hardware by default") {
    CHECK(worker_pool(1).size() == 1);
    CHECK(worker_pool().size() >= 1);
    CHECK_THROWS_AS(worker_pool(-1), blink::usage_error);
}

TEST_CASE("scratch memory is kept, grows, and is aligned") {
    worker_pool pool(2);
    std::byte* const small = pool.scratch(0, 100);
    CHECK(pool.scratch(0, 50) == small);
    CHECK(pool.scratch(1, 100) != small);
    const auto address = reinterpret_cast<std::uintptr_t>(pool.scratch(0, 1 << 20));
    CHECK(address % 64 == 0);
}
