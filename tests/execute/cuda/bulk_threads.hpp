// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Bulk copies and barriers that count bytes, on threads of the host. Copies take place at the earliest or at the
/// latest time that is allowed, by chance: a load when it is started, or when someone asks whether it has arrived; a
/// store when it is started, or what it reads when the thread waits for that, and what it writes when the thread waits
/// for that. So a wait that is missing shows.
#pragma once

#include <blink/execute/cuda/bulk_block.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "delaying_machine.hpp"
#include "kernel_calls.hpp"

namespace kernel_test {

/// Completes a phase when all have arrived and all bytes that were expected have.
class byte_barrier {
  public:
    void reset(std::uint32_t arrivals) {
        const std::scoped_lock lock(guard_);
        arrivals_ = missing_ = arrivals;
    }
    void expect(std::uint32_t bytes) { change(0, static_cast<std::int64_t>(bytes)); }
    void arrive() { change(1, 0); }
    /// @param late not before someone asks for it
    void load(void* to, const void* from, std::uint32_t bytes, bool late) {
        if (!late) {
            std::memcpy(to, from, bytes);
            return change(0, -static_cast<std::int64_t>(bytes));
        }
        const std::scoped_lock lock(guard_);
        loads_.push_back({to, from, bytes});
    }
    [[nodiscard]] bool passed(std::uint32_t parity) {
        std::unique_lock lock(guard_);
        for (; (phase_ & 1U) == parity && !loads_.empty(); loads_.pop_back()) {
            const copy& l = loads_.back();
            std::memcpy(l.to, l.from, l.bytes);
            bytes_ -= l.bytes;
            complete();
        }
        return changed_.wait_for(lock, std::chrono::milliseconds(1), [&] { return (phase_ & 1U) != parity; });
    }

  private:
    struct copy {
        void* to;
        const void* from;
        std::uint32_t bytes;
    };

    void change(std::uint32_t arrivals, std::int64_t bytes) {
        const std::scoped_lock lock(guard_);
        missing_ -= arrivals;
        bytes_ += bytes;
        complete();
    }
    void complete() {
        if (missing_ != 0 || bytes_ != 0) { return; }
        missing_ = arrivals_;
        ++phase_;
        changed_.notify_all();
    }

    std::mutex guard_;
    std::condition_variable changed_;
    std::uint32_t arrivals_ = 0, missing_ = 0, phase_ = 0;
    std::int64_t bytes_ = 0;
    std::vector<copy> loads_;
};

/// The stores of a thread.
class bulk_stores {
  public:
    void start(void* to, const void* from, std::size_t bytes, bool late) {
        groups_.back().push_back({static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes, {}, false});
        if (!late) {
            groups_.back().back().read();
            groups_.back().back().write();
        }
    }
    void commit() { groups_.emplace_back(); }
    void read_all_but(std::size_t pending) {
        for (std::size_t g = 0; g + 1 + pending < groups_.size(); ++g) {
            for (store& s : groups_[g]) { s.read(); }
        }
    }
    void write_all() {
        read_all_but(0);
        for (; groups_.size() > 1; groups_.pop_front()) {
            for (store& s : groups_.front()) { s.write(); }
        }
    }

  private:
    struct store {
        std::byte* to;
        const std::byte* from;
        std::size_t bytes;
        std::vector<std::byte> held;
        bool written;

        void read() {
            if (held.empty()) { held.assign(from, from + bytes); }
        }
        void write() {
            if (!std::exchange(written, true)) { std::memcpy(to, held.data(), bytes); }
        }
    };
    std::deque<std::deque<store>> groups_ = std::deque<std::deque<store>>(1); ///< the last one is open
};

/// A thread of a block that copies in bulk, on top of `Base`.
template <class Base>
struct bulk_thread : Base {
    using barrier = byte_barrier;

    std::minstd_rand* chance;
    bulk_stores* stores;

    [[nodiscard]] bool late() const { return (*chance)() / 16 % 2 == 0; }
    void make_barrier(barrier& b, std::uint32_t arrivals) const { b.reset(arrivals); }
    void barriers_made() const {}
    void expect(barrier& b, std::uint32_t bytes) const { b.expect(bytes); }
    void arrive(barrier& b) const { b.arrive(); }
    [[nodiscard]] bool passed(barrier& b, std::uint32_t parity) const { return b.passed(parity); }
    void stop(std::uint32_t* word) const { std::atomic_ref(*word).store(1); }
    [[nodiscard]] bool stopped(const std::uint32_t* word) const {
        return std::atomic_ref(*const_cast<std::uint32_t*>(word)).load() != 0;
    }
    void bulk_load(void* to, const void* from, std::uint32_t bytes, barrier& b) const {
        check_place(to, from, bytes);
        b.load(to, from, bytes, late());
    }
    void bulk_store(void* to, const void* from, std::uint32_t bytes) const {
        check_place(to, from, bytes);
        stores->start(to, from, bytes, late());
    }
    void commit() const { stores->commit(); }
    template <int Pending>
    void wait_read() const {
        stores->read_all_but(Pending);
    }
    void wait_stored() const { stores->write_all(); }
    void proxy_fence() const {}
    void shared_proxy_fence() const {}

  private:
    /// As the hardware wants it.
    static void check_place(const void* to, const void* from, std::uint32_t bytes) {
        if (!blink::cuda::aligned(to) || !blink::cuda::aligned(from) || bytes == 0 || bytes % 16 != 0) {
            FAIL_CHECK("a bulk copy off its alignment");
        }
    }
};

/// Threads of a block of the bulk program: all teams that move data, and some that combine.
inline constexpr int bulk_threads_per_block =
    (blink::cuda::bulk_other_teams + 2 * blink::cuda::bulk_groups) * thread_machine::team_threads;

/// Runs the bulk kernel of the participants in `call.local_ranks[0, local_ranks)`.
/// @param late called with a thread's machine: the machine that it runs on
template <class T, class Op, class Late>
void run_bulk_kernel(const tree_call<T>& call, const runtime_schedule& schedule, const Op& op, int blocks,
                     int local_ranks, const bulk_sizes& sizes, unsigned seed, const Late& late,
                     traffic* carried = nullptr) {
    struct place {
        bulk_shared<T, byte_barrier> shared;
        std::vector<std::max_align_t> memory;
    };
    std::vector<place> places(static_cast<std::size_t>(blocks * local_ranks));
    for (place& p : places) { p.memory.resize(sizes.memory / sizeof(std::max_align_t)); }
    run_blocks(
        blocks, local_ranks, bulk_threads_per_block,
        [&](const thread_machine& m, block_state& state) {
            place& own = places[static_cast<std::size_t>(state.local_rank * blocks + state.block)];
            std::minstd_rand chance(seed + static_cast<unsigned>(1 + m.thread() + 64 * state.block));
            bulk_stores stores;
            const auto base = late(m);
            const bulk_thread<std::remove_cvref_t<decltype(base)>> machine{base, &chance, &stores};
            bulk_block(machine, call, schedule, op, sizes, own.shared, reinterpret_cast<std::byte*>(own.memory.data()));
        },
        carried);
}

/// As `enter`, by bulk copies.
template <class T, class Op = sum>
void enter_in_bulk(tree_call<T> call, const schedule& s, int participant, int blocks, const bulk_sizes& sizes,
                   unsigned seed, const Op& op = {}) {
    call.local_ranks[0] = static_cast<std::uint8_t>(participant);
    run_bulk_kernel(call, to_runtime_schedule(s), op, blocks, 1, sizes, seed,
                    [](const thread_machine& m) { return m; });
}

} // namespace kernel_test
