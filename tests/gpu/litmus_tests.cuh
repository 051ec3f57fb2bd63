// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What the kernels take for granted of memory between GPUs, each as a program of a writer and a reader. They move data
/// and flags by the very functions that the kernels use.
///
/// In turns, the writer waits until a round's data were read, so that whatever the reader sees of another round is an
/// error. Running freely, it stores ever larger stamps and the reader looks as often as it can.
#pragma once

#include <blink/execute/cuda/cell.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/start_kernel.cuh>
#include <blink/execute/cuda/vector.hpp>

#include "litmus_stage.cuh"

namespace litmus {

using blink::cuda::cell;
using word = blink::cuda::vector<std::uint32_t, 4>;

/// Word `i` of a round: no word is what it was a round before.
[[nodiscard]] __device__ inline word word_of(std::uint64_t round, std::size_t i) {
    const auto x = static_cast<std::uint32_t>(round * 0x9E3779B1U + i * 0x85EBCA77U);
    return {{x, x + 1, x + 2, x + 3}};
}

[[nodiscard]] __device__ inline bool same(const word& a, const word& b) {
    return a.v[0] == b.v[0] && a.v[1] == b.v[1] && a.v[2] == b.v[2] && a.v[3] == b.v[3];
}

/// The 16-byte words of the running block's part of the data, four a thread.
struct part {
    static constexpr std::size_t each = 4;
    std::uint32_t* first;
    std::size_t apart; ///< words from one to the next: a thread that is alone leaves gaps of several lines

    __device__ part(const stage& at, int block, std::size_t spread)
        : first(reinterpret_cast<std::uint32_t*>(at.data) +
                static_cast<std::size_t>(block) * each * most_threads * sizeof(word) / sizeof(std::uint32_t)),
          apart(spread) {}

    template <class Act>
    __device__ void visit(const Act& act) const {
        for (std::size_t w = 0; w < each; ++w) {
            const std::size_t i = w * blockDim.x + threadIdx.x;
            act(i, i * apart);
        }
    }
};

/// The threads of a block that share a message: all of them, or one that is alone.
struct team {
    blink::cuda::warp_group group = gpu_machine::make_group(0, 0, gpu_machine::threads());

    [[nodiscard]] __device__ bool all(bool ok) const { return group.threads == 1 ? ok : group.all(ok); }
    __device__ void sync() const {
        if (group.threads > 1) { group.sync(); }
    }
    [[nodiscard]] __device__ bool leads() const { return group.thread == 0; }
};

/// The reader of a message in plain 16-byte words: one thread sees the flag, all threads read behind a barrier.
__device__ inline void read_messages(const stage& at, std::size_t spread) {
    const gpu_machine machine;
    const team threads;
    const part own(at, machine.block(), spread);
    const std::size_t flag = stage::flag(machine.block());
    tally seen{};
    for (std::uint64_t round = 1; round <= at.rounds; ++round) {
        if (!threads.all(!threads.leads() || at.wait(at.arrived + flag, round, 1))) { break; }
        own.visit([&](std::size_t i, std::size_t place) {
            const bool right = same(blink::cuda::load<4>(own.first, place), word_of(round, i));
            seen.forbidden += right ? 0 : 1;
            ++seen.looks;
        });
        threads.sync();
        if (threads.leads()) {
            machine.fence();
            machine.store(at.taken + flag, round);
        }
    }
    at.count(seen);
}

/// Data in plain 16-byte stores, a fence, a flag: how `tree_block` announces a chunk. Without the fence nothing is
/// promised.
struct message_passing {
    bool fenced;
    std::size_t spread; ///< see `part`

    __device__ void write(const stage& at) const {
        const gpu_machine machine;
        const team threads;
        const part own(at, machine.block(), spread);
        const std::size_t flag = stage::flag(machine.block());
        for (std::uint64_t round = 1; round <= at.rounds; ++round) {
            if (!threads.all(!threads.leads() || at.wait(at.taken + flag, round - 1, 0))) { break; }
            own.visit(
                [&](std::size_t i, std::size_t place) { blink::cuda::store<4>(own.first, place, word_of(round, i)); });
            threads.sync();
            if (threads.leads()) {
                if (fenced) { machine.fence(); }
                machine.store(at.arrived + flag, round);
            }
        }
    }
    __device__ void read(const stage& at) const { read_messages(at, spread); }
};

/// The same with data that leave shared memory by `cp.async.bulk`. What is promised needs `wait_group`; its form
/// `.read` says only that shared memory may be written again.
struct bulk_message_passing {
    bool whole; ///< not `.read`

    __device__ void write(const stage& at) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        __shared__ alignas(128) std::uint32_t from[part::each * most_threads * 4];
        const gpu_machine machine;
        const team threads;
        const part own(at, machine.block(), 1);
        const std::size_t flag = stage::flag(machine.block());
        const auto source = static_cast<unsigned>(__cvta_generic_to_shared(from));
        for (std::uint64_t round = 1; round <= at.rounds; ++round) {
            if (!threads.all(!threads.leads() || at.wait(at.taken + flag, round - 1, 0))) { break; }
            own.visit([&](std::size_t i, std::size_t place) { blink::cuda::store<4>(from, place, word_of(round, i)); });
            asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
            threads.sync();
            if (threads.leads()) {
                asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(own.first),
                             "r"(source), "r"(static_cast<unsigned>(sizeof from))
                             : "memory");
                asm volatile("cp.async.bulk.commit_group;" ::: "memory");
                if (whole) {
                    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
                } else {
                    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
                }
                machine.fence();
                machine.store(at.arrived + flag, round);
            }
        }
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
#else
        (void)at;
#endif
    }
    __device__ void read(const stage& at) const { read_messages(at, 1); }
};

/// Cells with one stamp in all of their words, running freely. Halves of eight bytes have to be whole; all sixteen are
/// whole or not.
struct torn_cells {
    bool in_words; ///< stored as four words of 32 bits, not as two halves
    int apart;     ///< cells from one thread's to the next's

    [[nodiscard]] __device__ cell* place(const stage& at) const {
        const int number = gpu_machine::block() * gpu_machine::threads() + gpu_machine::thread();
        return reinterpret_cast<cell*>(at.data) + static_cast<std::size_t>(number) * static_cast<std::size_t>(apart);
    }

    __device__ void write(const stage& at) const {
        cell* const to = place(at);
        for (std::uint64_t stamp = 1; stamp <= at.rounds; ++stamp) {
            const std::uint64_t half = stamp << 32 | stamp;
            if (in_words) {
                asm volatile("st.relaxed.sys.global.v4.u32 [%0], {%1, %1, %1, %1};" ::"l"(to),
                             "r"(static_cast<std::uint32_t>(stamp))
                             : "memory");
            } else {
                gpu_machine::store_cell(to, {half, half});
            }
        }
    }

    __device__ void read(const stage& at) const {
        const gpu_machine machine;
        const cell* const from = place(at);
        tally seen{};
        std::uint32_t last = 0;
        (void)blink::cuda::wait_until(
            machine, at,
            [&] {
                const cell line = machine.load_cell(from);
                const auto low = static_cast<std::uint32_t>(line.half[0]);
                const auto high = static_cast<std::uint32_t>(line.half[1]);
                seen.forbidden += (line.half[0] >> 32 != low ? 1U : 0U) + (line.half[1] >> 32 != high ? 1U : 0U);
                seen.allowed += low != high ? 1 : 0;
                seen.looks += low != last ? 1 : 0;
                last = low;
                return low == at.rounds && high == at.rounds;
            },
            [&] { return stage::fault_of(1); });
        at.count(seen);
    }
};

inline constexpr std::uint32_t poison = 0xFFFAFFFAU;

/// The first kernel of a round at the reader: finds what the last round left, and poisons it, each block the part of
/// another one.
__global__ void __launch_bounds__(most_threads) poison_data(const stage at, std::uint64_t round) {
    gpu_machine::take_turn();
    const part other(at, (gpu_machine::block() + 7) % blocks, 1);
    tally seen{};
    other.visit([&](std::size_t i, std::size_t place) {
        const bool right = round == 1 || same(blink::cuda::load<4>(other.first, place), word_of(round - 1, i));
        seen.forbidden += right ? 0 : 1;
        blink::cuda::store<4>(other.first, place, {{poison, poison, poison, poison}});
    });
    at.count(seen);
}

/// The second one: tells the writer that its data may come, polls the data themselves, and looks once more when all of
/// the block's have been sent.
__global__ void __launch_bounds__(most_threads) poll_data(const stage at, std::uint64_t round) {
    gpu_machine::take_turn();
    const gpu_machine machine;
    const team threads;
    const part own(at, machine.block(), 1);
    const std::size_t flag = stage::flag(machine.block());
    if (threads.leads()) {
        machine.fence();
        machine.store(at.taken + flag, round);
    }
    tally seen{};
    bool ok = true;
    const auto look = [&](std::size_t place) { return machine.load_cell(reinterpret_cast<cell*>(own.first) + place); };
    const auto poisoned = [](const cell& x) {
        constexpr std::uint64_t half = std::uint64_t{poison} << 32 | poison;
        return x.half[0] == half || x.half[1] == half;
    };
    own.visit([&](std::size_t, std::size_t place) {
        ok = ok && blink::cuda::wait_until(
                       machine, at, [&] { return !poisoned(look(place)); }, [&] { return stage::fault_of(1); });
    });
    if (!threads.all(ok && (!threads.leads() || at.wait(at.arrived + flag, round, 1)))) { return; }
    own.visit([&](std::size_t i, std::size_t place) {
        const bool back = poisoned(look(place));
        seen.forbidden += back || !same(blink::cuda::load<4>(own.first, place), word_of(round, i)) ? 1 : 0;
        ++seen.looks;
    });
    at.count(seen);
}

/// The writer's kernel of a round.
__global__ void __launch_bounds__(most_threads) send_data(const stage at, std::uint64_t round) {
    gpu_machine::take_turn();
    const gpu_machine machine;
    const team threads;
    const part own(at, machine.block(), 1);
    const std::size_t flag = stage::flag(machine.block());
    if (!threads.all(!threads.leads() || at.wait(at.taken + flag, round, 0))) { return; }
    own.visit([&](std::size_t i, std::size_t place) { blink::cuda::store<4>(own.first, place, word_of(round, i)); });
    threads.sync();
    if (threads.leads()) {
        machine.fence();
        machine.store(at.arrived + flag, round);
    }
}

} // namespace litmus
