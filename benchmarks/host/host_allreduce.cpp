// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How close the host executor comes to the memory traffic that an AllReduce needs at least: each input read once,
/// each output written once. Both are measured in turn, with the same threads on the same buffers.
///
///     host_allreduce [MiB a rank, default 64] [rounds, default 7]
#include <blink/allreduce.hpp>
#include <blink/execute/host/worker_pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace {

using namespace blink::literals;

template <class Body>
double seconds(const Body& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Copies every input to the output of the same rank, in pieces dealt out to the workers.
void copy_all(blink::host::worker_pool& pool, const blink::rank_buffers<float>& in,
              const blink::rank_buffers<float>& out) {
    constexpr std::size_t piece = 32_KiB;
    const auto step = piece * static_cast<std::size_t>(pool.size());
    pool.run(pool.size(), [&](int worker) {
        for (std::size_t at = static_cast<std::size_t>(worker) * piece; at < in.bytes(); at += step) {
            const std::size_t bytes = std::min(piece, in.bytes() - at);
            for (int r = 0; r < in.size(); ++r) {
                std::memcpy(reinterpret_cast<char*>(out[r]) + at, reinterpret_cast<const char*>(in[r]) + at, bytes);
            }
        }
    });
}

/// Reads and writes every buffer once.
void touch_all(blink::host::worker_pool& pool, const blink::rank_buffers<float>& data) {
    constexpr std::size_t piece = 8192;
    const auto step = piece * static_cast<std::size_t>(pool.size());
    pool.run(pool.size(), [&](int worker) {
        for (std::size_t at = static_cast<std::size_t>(worker) * piece; at < data.count(); at += step) {
            const std::size_t end = std::min(at + piece, data.count());
            for (int r = 0; r < data.size(); ++r) {
                float* const values = data[r];
                for (std::size_t i = at; i < end; ++i) { values[i] += 1.0F; }
            }
        }
    });
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t mib = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 64;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    const std::size_t count = mib * 1_MiB / sizeof(float);

    blink::host_group group;
    blink::host::worker_pool pool;
    auto in = group.make_buffers<float>(count);
    const auto out = group.make_buffers<float>(count);
    for (int r = 0; r < group.size(); ++r) { in.fill(r, 1.0F / static_cast<float>(r + 1)); }

    double apart = std::numeric_limits<double>::infinity(), in_place = apart, copy = apart, touch = apart;
    for (int i = 0; i < rounds; ++i) {
        copy = std::min(copy, seconds([&] { copy_all(pool, in, out); }));
        apart = std::min(apart, seconds([&] { blink::allreduce(group, in, out, count, blink::sum{}); }));
        touch = std::min(touch, seconds([&] { touch_all(pool, out); }));
        in_place = std::min(in_place, seconds([&] { blink::allreduce(group, out, out, count, blink::sum{}); }));
    }
    const auto lanes = group.plan_for(blink::collective::allreduce).schedule.lanes.size();
    std::printf("allreduce of %zu MiB, %d ranks, %zu lanes, %d threads; best of %d rounds\n", mib, group.size(), lanes,
                pool.size(), rounds);
    std::printf("               traffic alone      allreduce   factor\n");
    std::printf("apart          %10.2f ms  %10.2f ms   %6.2f\n", copy * 1e3, apart * 1e3, apart / copy);
    std::printf("in place       %10.2f ms  %10.2f ms   %6.2f\n", touch * 1e3, in_place * 1e3, in_place / touch);
    return 0;
}
