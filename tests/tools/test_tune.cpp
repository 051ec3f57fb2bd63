// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <algorithm>
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

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

/// Two ranks, 400 GB/s of copies that take 100 us to begin on streams and 40 in graphs, 330 GB/s of other protocols
/// that begin in 10. The host carries 50 GB/s one way and 40 both ways, and begins in 20 us. From 64 blocks on stores
/// are as fast as bulk copies, which take 6 us longer to begin and are twice as fast below.
double seconds_of_pair(const tuning_point& p) {
    const bool sharded = p.kind == blink::collective::allgather;
    const auto crossing = static_cast<double>(sharded ? p.bytes / 2 : p.bytes);
    if (p.how == protocol::copies) {
        const double begin = p.in_graphs ? 40e-6 : 100e-6;
        const bool one_way = p.kind == blink::collective::broadcast || p.kind == blink::collective::reduce;
        const bool all_reduce = p.kind == blink::collective::allreduce;
        const int per_mille = one_way      ? p.tuned.host_share
                              : all_reduce ? p.tuned.host_share_all_reduce
                                           : p.tuned.host_share_both;
        const std::size_t from = all_reduce ? p.tuned.host_share_all_reduce_from : p.tuned.host_share_from;
        const double share = crossing >= static_cast<double>(from) ? per_mille / 1000.0 : 0;
        if (share == 0) { return begin + crossing / 400e9; }
        return begin + std::max((1 - share) * crossing / 400e9, 20e-6 + share * crossing / (one_way ? 50e9 : 40e9));
    }
    const int blocks = p.blocks == 0 ? 128 : p.blocks;
    const bool bulk = p.how == protocol::chunks && p.tuned.bulk_from > 0 && p.bytes >= p.tuned.bulk_from &&
                      blocks <= p.tuned.bulk_blocks;
    const double rate = std::min(330e9, blocks * (bulk ? 10e9 : 5.2e9));
    const double octaves =
        bulk && p.chunk_bytes > 0 ? std::abs(std::log2(static_cast<double>(p.chunk_bytes) / 131072)) : 0;
    return (bulk ? 16e-6 : 10e-6) + crossing / rate * (1 + octaves / 10);
}

} // namespace

TEST_CASE("bulk copies serve as many blocks, and calls as long, as they are faster for") {
    blink::tuning t;
    tune_bulk(64 * mib, seconds_of_pair, t);
    CHECK(t.bulk_blocks == 32);
    CHECK(t.most_bulk_chunk_bytes == 128U << 10);
    CHECK(t.bulk_from == 2 * mib); // over 16 blocks 29.1 against 35.2 us; at 1 MiB 22.6 against 22.6

    tune_bulk(
        64 * mib, [](const tuning_point&) { return 1.0; }, t);
    CHECK(t.bulk_from == 0);
}

TEST_CASE("shares over the host are the fastest of those tried, and gain from a size on") {
    blink::tuning t;
    tune_copies(512 * mib, seconds_of_pair, t);
    CHECK(t.host_share == 110);            // 1301 us on streams; 1308 with 100, 1408 with 120 and 1442 with none
    CHECK(t.host_share_both == 90);        // 1328 us; 1335 with 80 and 1462 with 100
    CHECK(t.host_share_all_reduce == 80);  // no larger one is tried, whatever it gains
    CHECK(t.host_share_from == 128 * mib); // one way 415 us against 435; at 64 MiB as long as without
    CHECK(t.host_share_all_reduce_from == 64 * mib); // 254 us against 268; at 32 MiB 187 against 184
}

TEST_CASE("copies win from the size on at which they are faster for all that they carry") {
    blink::tuning t;
    tune_copies(512 * mib, seconds_of_pair, t);
    CHECK(t.copies_from == 256 * mib);            // at 128 MiB a Broadcast would take 415 us for 417, an AllGather 422
    CHECK(t.copies_from_captured == 64 * mib);    // 208 us against 213; at 32 MiB 124 against 112
    CHECK(t.copies_all_reduce_from == 128 * mib); // on streams 409 us against 417; at 64 MiB 254 against 213
    CHECK(t.copies_reduce_from == 128 * mib);     // 415 us against 417
}

TEST_CASE("nothing goes over a host that does not help, and copies that are not faster are not taken") {
    blink::tuning t;
    tune_copies(
        512 * mib,
        [](const tuning_point& p) {
            const int share = p.tuned.host_share + p.tuned.host_share_both + p.tuned.host_share_all_reduce;
            return p.how == protocol::copies ? 1 + share / 1000.0 : 1;
        },
        t);
    CHECK(t.host_share == 0);
    CHECK(t.host_share_both == 0);
    CHECK(t.host_share_all_reduce == 0);
    CHECK(t.copies_from == 0);
    CHECK(t.copies_from_captured == 0);
    CHECK(t.copies_all_reduce_from == 0);
    CHECK(t.copies_reduce_from == 0);
}

namespace {

/// Kernels of two processes carry 330 GB/s; the host, which begins in `begin` seconds, 40 beside them.
double seconds_of_processes(const tuning_point& p, double begin) {
    const auto bytes = static_cast<double>(p.bytes);
    const bool shares = p.bytes >= std::max(p.tuned.copies_all_reduce_from, p.tuned.host_share_all_reduce_from);
    const double share = shares ? p.tuned.host_share_beside_kernels / 1000.0 : 0;
    if (share == 0) { return bytes / 330e9; }
    return std::max((1 - share) * bytes / 330e9, begin + share * bytes / 40e9);
}

} // namespace

TEST_CASE("the share beside the kernels of processes is measured between processes") {
    blink::tuning t;
    tune_beside_kernels(
        512 * mib,
        [](const tuning_point& p) {
            CHECK(p.in_processes);
            CHECK(p.how == protocol::automatic);
            return seconds_of_processes(p, 20e-6);
        },
        t);
    CHECK(t.host_share_beside_kernels == 100); // 1464 us; 1480 with 90, 1496 with 110 and 1627 with none
    CHECK(t.host_share_all_reduce_from == blink::tuning{}.host_share_all_reduce_from); // is one process's, too
}

TEST_CASE("no share beside kernels where not all calls gain that would get it, nor where none would") {
    blink::tuning t;
    t.host_share_beside_kernels = 88;
    const auto slow_host = [](const tuning_point& p) { return seconds_of_processes(p, 900e-6); };
    tune_beside_kernels(512 * mib, slow_host, t); // 1562 us with 40 there; with 256 MiB 813 us without, 1168 with it
    CHECK(t.host_share_beside_kernels == 0);

    int measured = 0;
    const auto counts = [&](const tuning_point&) { return ++measured, 1.0; };
    t.copies_all_reduce_from = 0;
    tune_beside_kernels(512 * mib, counts, t);
    t.copies_all_reduce_from = 1024 * mib;
    tune_beside_kernels(512 * mib, counts, t);
    CHECK(measured == 0);
    CHECK(t.host_share_beside_kernels == 0);
}
