// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "drawn_calls.cuh"
#include "groups.cuh"
#include "recorded_calls.cuh"

namespace {

/// A group whose blocks have seemingly made many calls, each of many chunks.
class old_group : public blink::cuda_group {
  public:
    old_group(const blink::group_options& choices, std::uint64_t calls) : blink::cuda_group(choices) {
        for (int r = 0; r < size(); ++r) {
            const blink::cuda::device_scope current(device(r));
            const auto i = static_cast<std::size_t>(r);
            std::vector<blink::cuda::block_flags> flags(blink::cuda::max_blocks);
            for (blink::cuda::block_flags& f : flags) {
                const std::uint64_t last = blink::cuda::flag_value(calls, 1000);
                for (auto* of : {f.partial_arrived, f.room_granted, f.result_arrived, f.output_ready}) {
                    std::fill_n(of, blink::cuda::max_ranks, last);
                }
                f.call = calls;
            }
            write(resources().memory().flags[i], flags);
            std::vector<blink::cuda::stream_flags> streams(
                static_cast<std::size_t>(blink::cuda::stream_blocks(size())));
            for (blink::cuda::stream_flags& f : streams) {
                std::fill_n(f.state, blink::cuda::max_teams, blink::cuda::stream_state{calls, calls});
                std::fill_n(&f.emptied[0][0][0], sizeof f.emptied / sizeof f.emptied[0][0][0], calls);
            }
            write(resources().memory().streams[i], streams);
        }
    }

  private:
    template <class Flags>
    static void write(Flags* to, const std::vector<Flags>& from) {
        blink::cuda::check(cudaMemcpy(to, from.data(), from.size() * sizeof(Flags), cudaMemcpyDefault), "cudaMemcpy");
        blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }
};

/// So few calls before numbers need a 33rd bit that every block gets beyond it.
constexpr std::uint64_t nearly_all = (std::uint64_t{1} << 32) - 8;

/// A collective of a drawn type and operator, or an exchange.
template <class Random>
void draw(gpu_test::caller& from, Random& turns) {
    switch (turns() % 4) {
    case 0:
        return from.call<float>(blink::sum{});
    case 1:
        return from.call<std::uint8_t>(blink::max{});
    case 2:
        return from.call<double>(blink::sum{});
    default:
        return from.swap<float>();
    }
}

/// At least `count` calls: eager ones, and graphs of four that are replayed between eager ones.
void check_mix(blink::cuda_group& group, unsigned seed, bool pulls, int count) {
    gpu_test::caller calls(group, seed, pulls);
    std::mt19937 turns(seed);
    for (int i = 0; i < 20; ++i) { draw(calls, turns); }
    int made = 20;
    while (made < count) {
        if (turns() % 4 != 0) {
            draw(calls, turns);
            ++made;
            continue;
        }
        const gpu_test::recorded_calls graph(gpu_test::streams_of(group), [&] {
            for (int i = 0; i < 4; ++i) { draw(calls, turns); }
        });
        for (int replay = 0; replay < 3; ++replay) {
            graph.replay();
            draw(calls, turns);
            made += 5;
        }
        CAPTURE(made);
        REQUIRE(calls.wrong() == 0);
    }
    CHECK(calls.wrong() == 0);
}

} // namespace

TEST_CASE("eager calls and replays of every protocol meet no stale flag beyond 2^32 calls on virtual ranks" *
          doctest::skip(!gpu_test::one_gpu())) {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        old_group group(
            {.machine = blink::topology(blink::dgx1v), .gpus = {0, 3}, .virtual_ranks = 2, .staged = staged},
            nearly_all);
        check_mix(group, 5, !staged, 1000);
    }
}

TEST_CASE("ten thousand eager calls and replays of every protocol meet no stale flag beyond 2^32 calls between GPUs" *
          doctest::skip(!gpu_test::two_gpus())) {
    for (const bool staged : {false, true}) {
        CAPTURE(staged);
        old_group group({.staged = staged}, nearly_all);
        check_mix(group, 6, !staged, 5000);
    }
}
