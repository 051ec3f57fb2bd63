// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Data that could be taken for something else: every pattern of small numbers with its NaNs, values of flags.
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <doctest/doctest.h>

#include <cstring>
#include <span>
#include <vector>

#include "groups.cuh"

namespace {

using namespace gpu_test;
using blink::collective;

/// Element `i` of rank `r`: every pattern of bits, turned by one on each rank.
template <class T, class Bits>
T pattern(int r, std::size_t i) {
    const auto bits = static_cast<Bits>(i + static_cast<std::size_t>(r));
    T x;
    std::memcpy(static_cast<void*>(&x), &bits, sizeof x);
    return x;
}

/// Elements that are not bit by bit what was sent; the operator would add in float.
template <class T, class Make>
std::size_t wrong_bits(blink::cuda_group& group, collective kind, blink::protocol how, std::size_t count,
                       const Make& make) {
    const auto ranks = static_cast<std::size_t>(group.size());
    const int root = group.size() - 1;
    const std::size_t out_count = blink::output_count(kind, group.size(), count);
    auto sent = group.make_buffers<T>(count);
    auto got = group.make_buffers<T>(out_count);
    std::vector<const T*> in;
    std::vector<T*> out;
    for (int r = 0; r < group.size(); ++r) {
        sent.fill(r, [&](std::size_t i) { return make(r, i); });
        in.push_back(sent[r]);
        out.push_back(got[r]);
    }
    group.run<T>(kind, root, std::span<const T* const>(in), std::span<T* const>(out), count, blink::sum{},
                 {.how = how});
    group.synchronize();
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
        const std::vector<T> values = got.read(static_cast<int>(r));
        for (std::size_t i = 0; i < out_count; ++i) {
            const T expected =
                kind == collective::allgather ? make(static_cast<int>(i / count), i % count) : make(root, i);
            wrong += std::memcmp(&values[i], &expected, sizeof(T)) != 0 ? 1 : 0;
        }
    }
    return wrong;
}

template <class T, class Bits>
void hand_on_every_pattern(blink::cuda_group& group) {
    constexpr std::size_t all = std::size_t{1} << (8 * sizeof(T));
    for (const collective kind : {collective::broadcast, collective::allgather}) {
        CAPTURE(to_string(kind));
        CHECK(wrong_bits<T>(group, kind, blink::protocol::chunks, all, pattern<T, Bits>) == 0);
        // A sharded call may have more lanes than there are blocks for cells; then it goes in chunks.
        const bool rooted = kind == collective::broadcast;
        const auto how = rooted ? blink::protocol::cells : blink::protocol::automatic;
        CHECK(wrong_bits<T>(group, kind, how, all, pattern<T, Bits>) == 0);
    }
}

void hand_on_patterns(blink::cuda_group& group) {
    hand_on_every_pattern<__nv_fp8_e4m3, std::uint8_t>(group);
    hand_on_every_pattern<__nv_fp8_e5m2, std::uint8_t>(group);
    hand_on_every_pattern<__half, std::uint16_t>(group);
}

/// Data that are the filler of empty cells, its decoy, or like the notes of the calls around this one.
void hand_on_fillers(blink::cuda_group& group) {
    using blink::cuda::decoy;
    using blink::cuda::filler;
    for (std::uint64_t call = 0; call < 24; ++call) {
        const auto make = [call](int r, std::size_t i) -> std::uint64_t {
            const std::uint64_t n = i / (call + 1) + static_cast<std::size_t>(r);
            return call == 0 || n % 4 == 0 ? filler : n % 4 == 1 ? decoy : n % 4 == 2 ? n % 16 : filler & 0xFFFFFFFFU;
        };
        for (const std::size_t count : {std::size_t{300}, std::size_t{200000}}) {
            CHECK(wrong_bits<std::uint64_t>(group, collective::broadcast, blink::protocol::cells, count, make) == 0);
        }
    }
}

} // namespace

TEST_CASE("every pattern is handed on bit by bit on 8 virtual ranks" * doctest::skip(!one_gpu())) {
    hand_on_patterns(virtual_dgx1v());
    blink::cuda_group young({.machine = blink::topology(blink::dgx1v), .virtual_ranks = 8});
    hand_on_fillers(young);
}

TEST_CASE("every pattern is handed on bit by bit on the real GPUs" * doctest::skip(!two_gpus())) {
    hand_on_patterns(real_gpus());
    blink::cuda_group young;
    hand_on_fillers(young);
}
