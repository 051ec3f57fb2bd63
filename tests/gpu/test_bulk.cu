// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chunks by bulk copies: every type and operator on virtual ranks, long calls between GPUs.
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/bulk_kernel.cuh>
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bulk_trial.cuh"
#include "groups.cuh"

namespace {

using namespace gpu_test;
using blink::collective;

constexpr int virtual_ranks = 8;
constexpr int virtual_blocks = 12; ///< of a rank; a block of the bulk kernel takes a whole multiprocessor
constexpr std::size_t most_bytes = 8u << 20;

/// Whether GPU 0 copies in bulk, by kernels for it.
bool has_bulk() {
    if (!one_gpu()) { return false; }
    const blink::cuda::device_scope current(0);
    const auto kernel = blink::cuda::bulk_kernel<float, blink::sum>;
    return blink::cuda::resident_bulk_blocks(reinterpret_cast<const void*>(kernel), 0) >=
           virtual_ranks * virtual_blocks;
}

bulk_trial& on_virtual_ranks() {
    static const std::vector<int> devices(virtual_ranks, 0);
    static bulk_trial trial(devices, most_bytes, virtual_blocks);
    return trial;
}

/// With one tree a root where each rank is one: more lanes than blocks have no call.
const blink::schedule& trees(collective kind) {
    blink::plan_options few;
    few.pack.max_trees = blink::is_sharded(kind) ? virtual_ranks : 0;
    return virtual_dgx1v().plan_for(kind, kind == collective::reduce ? 3 : 0, few).schedule;
}

template <class T, class Op>
void sweep_kinds(std::initializer_list<collective> kinds, const Op& op) {
    bulk_trial& trial = on_virtual_ranks();
    const auto kernel = blink::cuda::bulk_kernel<T, Op>;
    REQUIRE(trial.resident(reinterpret_cast<const void*>(kernel)) >= virtual_blocks); // so it is what runs
    for (const collective kind : kinds) {
        // Shards lie on 16 bytes where their length is a multiple of that.
        const std::size_t step = blink::is_sharded(kind) ? 16 / sizeof(T) : 1;
        for (const std::size_t count : {std::size_t{1}, std::size_t{1021}, std::size_t{50003}}) {
            for (const bool in_place : {false, true}) {
                for (const std::size_t chunk_bytes : {std::size_t{0}, std::size_t{1} << 20}) {
                    CAPTURE(to_string(kind));
                    CAPTURE(count);
                    CAPTURE(in_place);
                    CAPTURE(chunk_bytes);
                    CHECK(trial.differing<T>(trees(kind), count * step, in_place, op, chunk_bytes) == 0);
                }
            }
        }
    }
    REQUIRE(trial.is_sound());
}

template <class T, class Op>
void sweep_operator(const Op& op = {}) {
    sweep_kinds<T>({collective::allreduce, collective::reduce, collective::reduce_scatter}, op);
}

template <class T>
void sweep_type() {
    sweep_operator<T, blink::sum>();
    sweep_operator<T, blink::prod>();
    sweep_operator<T, blink::min>();
    sweep_operator<T, blink::max>();
    sweep_operator<T, blink::avg>();
    sweep_kinds<T>({collective::broadcast, collective::allgather}, blink::cuda::first_of_two{});
}

} // namespace

TEST_CASE_TEMPLATE("bulk copies give the bits of the tree kernel" * doctest::skip(!has_bulk()), T, std::int8_t,
                   std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
                   float, double, __half, __nv_bfloat16, __nv_fp8_e4m3, __nv_fp8_e5m2) {
    sweep_type<T>();
}

TEST_CASE("bulk copies multiply, and combine in the own type and in users' types, as the tree kernel does" *
          doctest::skip(!has_bulk())) {
    sweep_operator<float>(blink::premul_sum{1.0F / 3});
    sweep_operator<__half>(blink::premul_sum{0.5F});
    sweep_operator<__nv_bfloat16>(blink::in_own_type<blink::sum>{});
    sweep_operator<located>(larger_magnitude{});
}

TEST_CASE("a few bulk copies, for compute-sanitizer" * doctest::skip(!has_bulk())) {
    for (const collective kind : {collective::allreduce, collective::reduce, collective::allgather}) {
        CAPTURE(to_string(kind));
        CHECK(on_virtual_ranks().differing<float>(trees(kind), 5004, false, blink::sum{}, 4096) == 0);
    }
    REQUIRE(on_virtual_ranks().is_sound());
}

TEST_CASE("long calls between GPUs have the bits of the tree kernel, call after call" *
          doctest::skip(!has_bulk() || !two_gpus())) {
    constexpr std::size_t bytes = 256u << 20;
    const int ranks = real_gpus().size();
    std::vector<int> devices;
    for (int r = 0; r < ranks; ++r) { devices.push_back(real_gpus().device(r)); }
    for (const int blocks : {8, 32, 64}) {
        bulk_trial trial(devices, bytes, blocks);
        REQUIRE(trial.resident(reinterpret_cast<const void*>(blink::cuda::bulk_kernel<float, blink::sum>)) >= blocks);
        for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce,
                                      collective::allgather, collective::reduce_scatter}) {
            const blink::schedule& s = real_gpus().plan_for(kind).schedule;
            const std::size_t all = bytes / sizeof(float) - 3;
            const std::size_t count = blink::is_sharded(kind) ? all / static_cast<std::size_t>(ranks) / 4 * 4 : all;
            for (const bool in_place : {false, true}) {
                for (const std::size_t chunk_bytes : {std::size_t{0}, std::size_t{32} << 10, std::size_t{1} << 20}) {
                    CAPTURE(blocks);
                    CAPTURE(to_string(kind));
                    CAPTURE(in_place);
                    CAPTURE(chunk_bytes);
                    if (blink::reduces(kind)) {
                        CHECK(trial.differing<float>(s, count, in_place, blink::sum{}, chunk_bytes) == 0);
                    } else {
                        CHECK(trial.differing<float>(s, count, in_place, blink::cuda::first_of_two{}, chunk_bytes) ==
                              0);
                    }
                }
            }
        }
        REQUIRE(trial.is_sound());
    }
}

TEST_CASE("a call by bulk copies ends at its deadline where a rank is missing" * doctest::skip(!has_bulk())) {
    using pair = blink::cuda::static_schedule<blink::cuda::static_lane<blink::cuda::static_tree<-1, 0>>>;
    constexpr std::size_t count = 1u << 20;
    for (const std::size_t absent : {std::size_t{0}, std::size_t{1}}) {
        blink::cuda::group_resources resources(std::array{0, 0}, std::chrono::milliseconds(200), 8);
        std::array<float*, 2> buffers{};
        for (float*& b : buffers) { b = static_cast<float*>(resources.allocate(0, count * sizeof(float))); }
        std::vector<blink::cuda::device_ranks> devices(resources.devices().begin(), resources.devices().end());
        devices.front().ranks.erase(devices.front().ranks.begin() + static_cast<std::ptrdiff_t>(absent));
        blink::cuda::group_memory memory = resources.memory();
        memory.tuned.bulk_from = 1;
        const blink::schedule s = pair::value(collective::allreduce);
        const std::array<const float*, 2> in{buffers[0], buffers[1]};
        const auto start = std::chrono::steady_clock::now();
        blink::cuda::launch<float, blink::sum>(s, blink::cuda::to_runtime_schedule(s), in, buffers, count, {}, devices,
                                               memory, 0);
        resources.wait();
        CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
        CHECK(resources.aborted());
        const std::string text = resources.fault_text();
        CAPTURE(text);
        CHECK(text.starts_with(absent == 0 ? "rank 1 waited longer than 200 ms" : "rank 0 waited longer than 200 ms"));
        CHECK(text.find(absent == 0 ? "by rank 0" : "by rank 1") != std::string::npos);
    }
}
