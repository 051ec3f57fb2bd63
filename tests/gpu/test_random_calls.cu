// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>

#include "drawn_calls.cuh"
#include "groups.cuh"

namespace {

/// BLINK_RANDOM_CALLS sets how many calls a group gets.
int calls() {
    const char* const asked = std::getenv("BLINK_RANDOM_CALLS");
    return asked == nullptr ? 300 : std::atoi(asked);
}

/// @param pulls parents may read their children's buffers
void check_random_calls(blink::cuda_group& group, unsigned seed, bool pulls) {
    gpu_test::caller random(group, seed, pulls);
    for (int i = 0; i < calls(); ++i) {
        random.call<float>(blink::sum{});
        random.call<std::uint8_t>(blink::max{});
        if (i % 50 == 49) { REQUIRE(random.wrong() == 0); }
    }
    CHECK(random.wrong() == 0);
}

} // namespace

TEST_CASE("random calls: collective, type, operator, size, root, placement, chunk and protocol" *
          doctest::skip(!gpu_test::one_gpu())) {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        blink::cuda_group whole({.machine = blink::topology(blink::dgx1v), .virtual_ranks = 8, .staged = staged});
        check_random_calls(whole, 1, !staged);
        blink::cuda_group pair(
            {.machine = blink::topology(blink::dgx1v), .gpus = {0, 3}, .virtual_ranks = 2, .staged = staged});
        check_random_calls(pair, 2, !staged);
    }
}

TEST_CASE("random calls between GPUs" * doctest::skip(!gpu_test::two_gpus())) {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        blink::cuda_group group({.staged = staged});
        check_random_calls(group, 3, !staged);
    }
}
