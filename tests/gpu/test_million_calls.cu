// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "groups.cuh"
#include "recorded_calls.cuh"
#include "trial.cuh"

using namespace gpu_test;

namespace {

/// Bytes that are free on the GPU of each rank.
std::vector<std::size_t> free_memory(const blink::cuda_group& group) {
    std::vector<std::size_t> bytes;
    for (int r = 0; r < group.size(); ++r) {
        const blink::cuda::device_scope current(group.device(r));
        std::size_t total = 0;
        blink::cuda::check(cudaMemGetInfo(&bytes.emplace_back(), &total), "cudaMemGetInfo");
    }
    return bytes;
}

} // namespace

TEST_CASE("a million calls in a row keep their pace and take no memory between GPUs" * doctest::skip(!two_gpus())) {
    constexpr int calls_of_a_graph = 1000;
    constexpr int replays_of_a_tenth = 100;
    blink::cuda_group& group = real_gpus();
    trial<float, blink::sum> t(group, blink::collective::allreduce, {.count = 256, .seed = 21});
    t.launch();
    CHECK(t.judged().clean());
    const recorded_calls graph(streams_of(group), [&] {
        for (int i = 0; i < calls_of_a_graph; ++i) { t.launch(); }
    });
    const auto tenth = [&] {
        t.reset();
        group.synchronize();
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < replays_of_a_tenth; ++i) { graph.replay(); }
        group.synchronize();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    (void)tenth(); // clocks rise, and the driver takes what memory it needs
    CHECK(t.judged().clean());
    const std::vector<std::size_t> before = free_memory(group);
    std::array<double, 10> seconds{};
    for (double& s : seconds) {
        s = tenth();
        const verdict v = t.judged();
        CHECK(v.clean());
    }
    for (const double s : seconds) {
        CAPTURE(s);
        CHECK(s <= 1.03 * seconds.front());
    }
    const std::vector<std::size_t> after = free_memory(group);
    for (std::size_t r = 0; r < before.size(); ++r) { CHECK(after[r] >= before[r]); }
    MESSAGE("microseconds a call, first and last tenth: "
            << seconds.front() * 1e6 / (calls_of_a_graph * replays_of_a_tenth) << ", "
            << seconds.back() * 1e6 / (calls_of_a_graph * replays_of_a_tenth));
}
