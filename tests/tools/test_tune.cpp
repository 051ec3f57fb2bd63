// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>

#include "tune.hpp"

using blink::protocol;
using namespace blink_perf;

namespace {

/// A machine whose chunks take 8 us and 100 GB/s, cells 3 us and 20 GB/s, all pairs 2 us and 25 GB/s, and pulled chunks
/// 6 us and 80 GB/s.
double seconds_of(const tuning_point& p) {
    const auto bytes = static_cast<double>(p.bytes);
    if (p.how == protocol::cells) { return 3e-6 + bytes / 20e9; }
    if (p.how == protocol::all_pairs) { return 2e-6 + bytes / 25e9; }
    if (p.how == protocol::pull) { return 6e-6 + bytes / 80e9; }
    const int blocks = p.blocks == 0 ? 128 : p.blocks;
    const double rate = 100e9 * (blocks >= 32 ? 1.0 : blocks / 32.0) * (blocks == 128 ? 1.01 : 1.0);
    const double octaves = p.chunk_bytes == 0 ? 0 : std::abs(std::log2(static_cast<double>(p.chunk_bytes) / 32768));
    return 8e-6 + bytes / rate * (1 + octaves / 10);
}

} // namespace

TEST_CASE("thresholds lie where the protocols cross, blocks and chunks where more bring nothing") {
    const blink::tuning t = find_tuning(3, 64U << 20, seconds_of);
    CHECK(t.cells_up_to == 4 * (64U << 10));      // 6.3 against 8.7 us; at 128 KiB 9.6 against 9.3
    CHECK(t.all_pairs_up_to == 2 * (128U << 10)); // 7.2 against 9.3 us; at 256 KiB 12.5 against 10.6
    CHECK(t.pull_up_to == 512U << 10);            // 12.6 against 13.2 us; at 1 MiB 19.1 against 18.4
    CHECK(t.most_blocks == 32);
    CHECK(t.most_chunk_bytes == 32U << 10);
}

TEST_CASE("a protocol that never keeps up, or that the machine cannot run, is not taken") {
    const blink::tuning t = find_tuning(2, 1U << 20, [](const tuning_point& p) {
        return p.how == protocol::cells ? 1.0 : p.how != protocol::chunks || p.blocks > 16 ? -1.0 : 0.5;
    });
    CHECK(t.cells_up_to == 0);
    CHECK(t.all_pairs_up_to == 0);
    CHECK(t.pull_up_to == 0);
    CHECK(t.most_blocks == 8);
    CHECK(t.most_chunk_bytes == 16U << 10);
}
