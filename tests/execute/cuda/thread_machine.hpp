// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The blocks of a kernel on threads of the host: one thread for each of their threads, barriers and flags as on a
/// GPU. A flag is published with release order only behind a fence, so that ThreadSanitizer sees a missing fence.
#pragma once

#include <blink/execute/cuda/ll_block.hpp>
#include <blink/execute/cuda/packet.hpp>
#include <blink/execute/cuda/tree_block.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace kernel_test {

/// A barrier for any number of threads that also tells whether all of them agreed.
class meeting {
  public:
    bool arrive(int threads, bool ok) {
        std::unique_lock lock(guard_);
        agreed_ = agreed_ && ok;
        if (++waiting_ == threads) {
            result_ = agreed_;
            agreed_ = true;
            waiting_ = 0;
            ++round_;
            all_here_.notify_all();
            return result_;
        }
        const std::uint64_t round = round_;
        all_here_.wait(lock, [&] { return round_ != round; });
        return result_;
    }

  private:
    std::mutex guard_;
    std::condition_variable all_here_;
    int waiting_ = 0;
    std::uint64_t round_ = 0;
    bool agreed_ = true;
    bool result_ = true;
};

/// What the threads of a block share.
struct block_state {
    int block = 0;
    int local_rank = 0;
    int threads = 0;
    meeting whole;
    std::array<meeting, 2> groups;
    std::deque<meeting> packets; ///< of the eight threads that share one
    std::array<void*, blink::cuda::max_ranks + 1> outputs{};
    std::array<const void*, blink::cuda::max_ranks> sources{};
};

/// What went over each hop of each lane: by lane, child, and direction (1: up).
struct traffic {
    std::array<std::array<std::array<std::atomic<std::uint64_t>, 2>, blink::cuda::max_ranks>, blink::cuda::max_lanes>
        bytes{};
};

/// One thread of a block.
struct thread_machine {
    struct thread_state {
        int thread = 0;
        bool fenced = false;
    };

    struct group {
        meeting* barrier;
        thread_state* self;
        int thread;
        int threads;

        void sync() const { (void)all(true); }
        [[nodiscard]] bool all(bool ok) const {
            self->fenced = false;
            return barrier->arrive(threads, ok);
        }
    };

    block_state* state;
    thread_state* self;
    traffic* carried = nullptr;

    [[nodiscard]] meeting& packet() const {
        return state->packets[static_cast<std::size_t>(self->thread / blink::cuda::packet_threads)];
    }
    [[nodiscard]] int block() const { return state->block; }
    [[nodiscard]] int local_rank() const { return state->local_rank; }
    [[nodiscard]] int thread() const { return self->thread; }
    [[nodiscard]] int threads() const { return state->threads; }
    void sync() const { (void)state->whole.arrive(state->threads, true); }
    [[nodiscard]] group make_group(int number, int first, int threads) const {
        return {&state->groups[static_cast<std::size_t>(number)], self, thread() - first, threads};
    }
    [[nodiscard]] std::uint64_t load(const std::uint64_t* flag) const {
        return std::atomic_ref(*const_cast<std::uint64_t*>(flag)).load(std::memory_order_acquire);
    }
    void store(std::uint64_t* flag, std::uint64_t v) const {
        std::atomic_ref(*flag).store(v, self->fenced ? std::memory_order_release : std::memory_order_relaxed);
    }
    void store_line(blink::cuda::ll_line* to, const blink::cuda::ll_line& x) const {
        for (int h = 0; h < 2; ++h) { std::atomic_ref(to->half[h]).store(x.half[h], std::memory_order_relaxed); }
    }
    [[nodiscard]] blink::cuda::ll_line load_line(const blink::cuda::ll_line* from) const {
        auto& line = *const_cast<blink::cuda::ll_line*>(from);
        return {{std::atomic_ref(line.half[0]).load(std::memory_order_relaxed),
                 std::atomic_ref(line.half[1]).load(std::memory_order_relaxed)}};
    }
    [[nodiscard]] bool any_of_packet(bool x) const { return !packet().arrive(blink::cuda::packet_threads, !x); }
    /// The thread with the flag comes last, so that what it publishes is all there.
    void store_packet(blink::cuda::ll_line* to, const blink::cuda::ll_line& x) const {
        const bool last = self->thread % blink::cuda::packet_threads == blink::cuda::packet_threads - 1;
        if (!last) { store_line(to, x); }
        (void)any_of_packet(false);
        if (!last) { return; }
        std::atomic_ref(to->half[0]).store(x.half[0], std::memory_order_relaxed);
        std::atomic_ref(to->half[1]).store(x.half[1], std::memory_order_release);
    }
    /// The thread with the flag comes first, so that what the others read is at least as new.
    [[nodiscard]] blink::cuda::ll_line load_packet(const blink::cuda::ll_line* from) const {
        const bool first = self->thread % blink::cuda::packet_threads == blink::cuda::packet_threads - 1;
        blink::cuda::ll_line x{};
        if (first) {
            auto& line = *const_cast<blink::cuda::ll_line*>(from);
            x.half[1] = std::atomic_ref(line.half[1]).load(std::memory_order_acquire);
            x.half[0] = std::atomic_ref(line.half[0]).load(std::memory_order_relaxed);
        }
        (void)any_of_packet(false);
        return first ? x : load_line(from);
    }
    void fence() const { self->fenced = true; }
    [[nodiscard]] std::uint64_t now_ns() const {
        return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    void pause() const { std::this_thread::yield(); }
    void carry(int lane, int child, bool up, std::uint64_t bytes) const {
        if (carried == nullptr) { return; }
        carried->bytes[static_cast<std::size_t>(lane)][static_cast<std::size_t>(child)][up ? 1 : 0] += bytes;
    }
};

/// Runs `program(machine, block state)` on all threads of all blocks of `local_ranks` ranks and waits for them, as a
/// stream does.
template <class Program>
void run_blocks(int blocks, int local_ranks, int threads_per_block, const Program& program,
                traffic* carried = nullptr) {
    std::vector<block_state> states(static_cast<std::size_t>(blocks * local_ranks));
    std::vector<thread_machine::thread_state> selves(states.size() * static_cast<std::size_t>(threads_per_block));
    std::vector<std::jthread> threads;
    for (std::size_t b = 0; b < states.size(); ++b) {
        states[b].block = static_cast<int>(b) % blocks;
        states[b].local_rank = static_cast<int>(b) / blocks;
        states[b].threads = threads_per_block;
        states[b].packets.resize(static_cast<std::size_t>(threads_per_block / blink::cuda::packet_threads));
        for (int t = 0; t < threads_per_block; ++t) {
            auto& self = selves[b * static_cast<std::size_t>(threads_per_block) + static_cast<std::size_t>(t)];
            self.thread = t;
            threads.emplace_back([&program, &self, &state = states[b], carried] {
                program(thread_machine{&state, &self, carried}, state);
            });
        }
    }
}

/// Runs the tree kernel of the ranks in `call.local_ranks[0, local_ranks)`.
template <bool Pulled = false, class T, class Op, class Schedule>
void run_kernel(const blink::cuda::tree_call<T>& call, const Schedule& schedule, const Op& op, int blocks,
                int local_ranks, int threads_per_block, traffic* carried = nullptr) {
    run_blocks(
        blocks, local_ranks, threads_per_block,
        [&](const thread_machine& machine, block_state& state) {
            blink::cuda::tree_block<Pulled>(machine, call, schedule, op, reinterpret_cast<T**>(state.outputs.data()),
                                            reinterpret_cast<const T**>(state.sources.data()));
        },
        carried);
}

} // namespace kernel_test
