// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/tree_block.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>

#include "kernel_calls.hpp"
#include "made_schedules.hpp"

using namespace blink;
using namespace blink::cuda;
using namespace kernel_test;

TEST_CASE("flags tell calls apart beyond 2^32 of them") {
    constexpr std::uint64_t made = (std::uint64_t{1} << 32) - 3;
    CHECK(flag_value(made + 3, 0) > flag_value(made + 2, 0xFFFF));
    memory m(2);
    for (auto& of_rank : m.flags) {
        for (block_flags& f : of_rank) {
            for (auto* of : {f.partial_arrived, f.room_granted, f.result_arrived, f.output_ready}) {
                std::fill_n(of, max_ranks, flag_value(made, 0xFFFF));
            }
            f.call = made;
        }
    }
    std::mt19937 random(41);
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::allreduce,
                                  collective::reduce, collective::allreduce, collective::broadcast}) {
        const schedule s = made::random_trees(kind, 2, 1, 3, 0);
        buffers<std::int32_t> b(random, s, 3000, false, 0);
        const call_shape shape = make_shape(s, 3000, sizeof(std::int32_t), {2, memory::slot_bytes, 512});
        const tree_call<std::int32_t> call = make_call(s, m, b, shape);
        {
            const std::jthread root([&] { enter(call, s, 0, shape.blocks); });
            const std::jthread leaf([&] {
                std::this_thread::sleep_for(std::chrono::milliseconds(20)); // whoever does not wait is wrong
                enter(call, s, 1, shape.blocks);
            });
        }
        CHECK(m.words[0] == 0);
        check_result(s, b, 3000);
    }
}

TEST_CASE("a call has fewer chunks than flags count, whatever chunk was asked for") {
    const schedule s = made::random_trees(collective::broadcast, 2, 1, 3, 0);
    const std::size_t bytes = std::size_t{1} << 37;
    const call_shape shape = make_shape(s, bytes, 1, {.blocks = 1, .chunk_bytes = 128});
    CHECK(bytes / shape.chunk_elements < std::size_t{1} << flag_chunk_bits);
    CHECK(shape.slot_bytes == shape.chunk_elements);
}
