// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Cases of several processes that register memory which is mapped by hand.
#pragma once

#include <blink/allgather.hpp>
#include <blink/allreduce.hpp>
#include <blink/alltoall.hpp>
#include <blink/broadcast.hpp>
#include <blink/communicator.hpp>
#include <blink/reduce_scatter.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "mapped_buffer.cuh"
#include "pooled_buffer.cuh"
#include "process_cases.cuh"
#include "process_trial.cuh"

namespace gpu_test {

/// Calls with outputs at `out`, in a window or beside one: through slots, and as the window says. The same bits, and
/// the right ones.
inline void check_window(blink::communicator& comm, const blink::registered_buffer& window, float* out,
                         std::size_t count) {
    const auto n = static_cast<std::size_t>(comm.size());
    const auto rank = static_cast<std::size_t>(comm.rank());
    const auto given = [](std::size_t r, std::size_t i) { return static_cast<float>((i * 7 + r * 31) % 1000); };
    auto in = comm.make_buffer<float>(count);
    in.fill([&](std::size_t i) { return given(rank, i); });
    const float* const from = in.data();
    const auto found = [&](const auto& call, const blink::options& choices) {
        blink::cuda::check(cudaMemset(out, 0xC5, count * sizeof(float)), "cudaMemset");
        blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        for (int twice = 0; twice < 2; ++twice) { call(choices); }
        comm.synchronize();
        std::vector<float> values(count);
        blink::cuda::check(cudaMemcpy(values.data(), out, count * sizeof(float), cudaMemcpyDefault), "cudaMemcpy");
        return values;
    };
    const auto judge = [&](const auto& call, std::size_t results, const auto& expected, const std::string& what) {
        for (const auto how : {blink::protocol::chunks, blink::protocol::automatic}) {
            const std::vector<float> direct = found(call, {.how = how, .into = &window});
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < results; ++i) { wrong += direct[i] == expected(i) ? 0 : 1; }
            must(wrong == 0, what + ": " + std::to_string(wrong) + " wrong elements");
            must(std::memcmp(direct.data(), found(call, {.how = how}).data(), count * sizeof(float)) == 0,
                 what + ": other bits than through slots");
        }
    };
    const auto sum = [&](std::size_t i) {
        float total = 0;
        for (std::size_t r = 0; r < n; ++r) { total += given(r, i); }
        return total;
    };
    const std::size_t part = count / n;
    judge([&](const blink::options& o) { blink::allreduce(comm, from, out, count, blink::sum{}, o); }, count, sum,
          "allreduce");
    judge([&](const blink::options& o) { blink::broadcast(comm, from, out, count, comm.size() - 1, o); }, count,
          [&](std::size_t i) { return given(n - 1, i); }, "broadcast");
    judge([&](const blink::options& o) { blink::allgather(comm, from, out, part, o); }, part * n,
          [&](std::size_t i) { return given(i / part, i % part); }, "allgather");
    judge([&](const blink::options& o) { blink::reduce_scatter(comm, from, out, part, blink::sum{}, o); }, part,
          [&](std::size_t i) { return sum(rank * part + i); }, "reduce_scatter");
    judge([&](const blink::options& o) { blink::alltoall(comm, from, out, part, o); }, part * n,
          [&](std::size_t i) { return given(i / part, rank * part + i % part); }, "alltoall");
}

/// Memory that is mapped piece by piece, on all ranks or on one beside plain memory.
/// @param divisions granules of the pieces, of one buffer after the other
inline void mapped(const seat& s, const std::vector<std::vector<std::size_t>>& divisions) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    for (const auto& granules : divisions) {
        for (const bool on_all : {true, false}) {
            const mapped_buffer memory(comm.device(), granules, true);
            const auto plain = comm.make_buffer<float>(memory.bytes() / sizeof(float));
            float* const p = on_all || s.rank == s.size - 1 ? memory.data<float>() : plain.data();
            const auto whole = comm.register_buffer(p, memory.bytes());
            must(whole.is_shared(), "memory with files is shared");
            check_window(comm, whole, p, memory.bytes() / sizeof(float));
            check_window(comm, whole, p + 1001, 5000);
            // Not from the beginning on, and together with the other one.
            const std::size_t first = memory.bytes() / sizeof(float) / 3 + 1;
            const auto part = comm.register_buffer(p + first, memory.bytes() / 2);
            must(part.is_shared(), "a part of memory with files is shared");
            check_window(comm, part, p + first + 3, memory.bytes() / 2 / sizeof(float) - 3);
            comm.unregister_buffer(part);
            check_window(comm, whole, p + first, 70001);
            comm.unregister_buffer(whole);
        }
    }
    const mapped_buffer kept(comm.device(), {1, 1}, true);
    must(comm.register_buffer(kept.data<float>(), kept.bytes()).is_shared(), "memory with files is shared");
    check_call<float, blink::sum>(comm, {blink::collective::allreduce, 200001});
} // the last goes with the communicator, behind its memory

inline void mapped_in_all_ways(const seat& s) {
    mapped(s, {{1}, {2, 1}, {1, 1, 3, 1}, std::vector<std::size_t>(12, 1)});
}
inline void mapped_in_one_way(const seat& s) { mapped(s, {{1, 2}}); }

/// Mapped memory without files, of one rank or of all.
inline void mapped_without_files(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    for (const bool on_all : {true, false}) {
        const mapped_buffer memory(comm.device(), {1, 2}, !on_all && s.rank > 0);
        const auto window = comm.register_buffer(memory.data<float>(), memory.bytes());
        must(window.is_registered() && !window.is_shared(), "memory without files is not shared");
        check_window(comm, window, memory.data<float>(), memory.bytes() / sizeof(float));
        comm.unregister_buffer(window);
    }
}

/// Memory of pools that other processes can open, on all ranks or on one beside plain and mapped memory.
inline void pooled(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    constexpr std::size_t count = 600'001;
    constexpr std::size_t offset = 33'333; // elements before the buffer, in its allocation
    for (const bool on_all : {true, false}) {
        const pooled_buffer in_pool(comm.device(), (offset + count) * sizeof(float), true);
        const auto plain = comm.make_buffer<float>(offset + count);
        const mapped_buffer pieces(comm.device(), {1, 1}, true);
        float* const other = s.rank % 2 == 0 ? plain.data() : pieces.data<float>();
        const bool last = s.rank == s.size - 1;
        float* const p = (on_all || last ? in_pool.data<float>() : other) + (on_all ? offset : 0);
        const auto window = comm.register_buffer(p, count * sizeof(float));
        must(window.is_shared(), "memory of a pool with a file is shared");
        check_window(comm, window, p, count);
        check_window(comm, window, p + 7, 1000);
        comm.unregister_buffer(window);
    }
}

/// A piece of a buffer is freed while it is registered, and another one is mapped where it was.
inline void piece_replaced(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    mapped_buffer memory(comm.device(), {1, 1, 1}, true);
    const auto window = comm.register_buffer(memory.data<float>(), memory.bytes());
    must(window.is_shared(), "memory with files is shared");
    const auto call = [&](std::size_t offset) {
        float* const p = memory.data<float>() + offset / sizeof(float);
        blink::broadcast(comm, p, p, 1000, 0, {.how = blink::protocol::chunks, .into = &window});
    };
    for (std::size_t piece = 0; piece < 3; ++piece) { call(memory.offset(piece)); }
    comm.synchronize();
    (void)comm.register_buffer(memory.data<float>(), 4000); // all ranks wait here until the calls are over
    const std::string what = "registered buffer 1 was freed by rank " + std::to_string(s.size - 1);
    if (s.rank == s.size - 1) {
        memory.replace(1);
        must_throw<blink::usage_error>([&] { call(memory.offset(1) - 400); }, what);
        must_throw<blink::aborted_error>([&] { comm.synchronize(); }, what);
    } else {
        must_throw<blink::aborted_error>(
            [&] {
                call(memory.offset(1) - 400);
                for (;;) { comm.synchronize(); }
            },
            what);
    }
    must(comm.status() == blink::group_status::aborted, "the status");
}

} // namespace gpu_test
