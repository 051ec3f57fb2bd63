// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The blocks of a kernel on threads of the host: one thread for each of their threads, barriers and flags as on a
/// GPU. A flag is published with release order only behind a fence, so that ThreadSanitizer sees a missing fence.
#pragma once

#include <blink/execute/cuda/stream_block.hpp>
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
    std::deque<meeting> teams;
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

    static constexpr int team_threads = 4; ///< as few as show what a warp does

    [[nodiscard]] meeting& team() const { return state->teams[static_cast<std::size_t>(self->thread / team_threads)]; }
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
    [[nodiscard]] std::uint64_t peek(const std::uint64_t* flag) const {
        return std::atomic_ref(*const_cast<std::uint64_t*>(flag)).load(std::memory_order_relaxed);
    }
    void store_cell(blink::cuda::cell* to, const blink::cuda::cell& x) const {
        for (int h = 0; h < 2; ++h) { std::atomic_ref(to->half[h]).store(x.half[h], std::memory_order_relaxed); }
    }
    [[nodiscard]] blink::cuda::cell load_cell(const blink::cuda::cell* from) const {
        auto& c = *const_cast<blink::cuda::cell*>(from);
        return {{std::atomic_ref(c.half[0]).load(std::memory_order_relaxed),
                 std::atomic_ref(c.half[1]).load(std::memory_order_relaxed)}};
    }
    void team_sync() const { (void)team_all(true); }
    [[nodiscard]] bool team_all(bool x) const {
        self->fenced = false;
        return team().arrive(team_threads, x);
    }
    [[nodiscard]] bool team_any(bool x) const { return !team_all(!x); }
    void take_turn() const {}
    template <class... Values>
    void have(const Values&... /*values*/) const {}
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
        states[b].teams.resize(static_cast<std::size_t>(threads_per_block / thread_machine::team_threads));
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
