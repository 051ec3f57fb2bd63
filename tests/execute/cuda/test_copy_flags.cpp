// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parts of copy programs on threads of the host, a thread for each stream of each rank, which meet at the flags that
// the kernels raise.
#include <blink/core/buffers.hpp>
#include <blink/execute/cuda/copy_flags.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/rank_program.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <latch>
#include <map>
#include <thread>
#include <vector>

#include "copy_trial.hpp"
#include "thread_machine.hpp"

namespace {

using namespace blink::cuda;
using copy_test::collective;
using kind = rank_action::kind;

/// Two ranks whose memory all threads see.
struct pair {
    std::vector<copy_flags> flags{2};
    std::vector<std::uint64_t> words = std::vector<std::uint64_t>(1 + max_ranks, 0);
    std::vector<int> in[2], out[2], slots[2], host;

    [[nodiscard]] copy_flag_table table() { return {{flags.data(), flags.data() + 1}}; }
    [[nodiscard]] patience limits(std::uint64_t timeout_ns) { return {words.data() + 1, words.data(), timeout_ns}; }

    [[nodiscard]] int* at(const copy_end& e) {
        const auto r = static_cast<std::size_t>(e.rank);
        std::vector<int>& all = e.place == copy_place::in     ? in[r]
                                : e.place == copy_place::out  ? out[r]
                                : e.place == copy_place::slot ? slots[r]
                                                              : host;
        return all.data() + e.offset;
    }

    void step(const copy_step& s) {
        if (!s.combines) {
            std::copy_n(at(s.from), s.count, at(s.to));
            return;
        }
        const copy_end slot{copy_place::slot, s.to.rank, s.others};
        const int* const other = at(s.in_result ? s.to : slot);
        for (std::size_t i = 0; i < s.count; ++i) {
            const int sum = at(s.from)[i] + other[i];
            at(s.to)[i] = sum;
        }
    }
};

/// What one stream does, as far as it can.
void follow(pair& memory, const rank_program& part, int stream, std::deque<std::latch>& events,
            std::uint64_t timeout_ns) {
    kernel_test::block_state state;
    kernel_test::thread_machine::thread_state self;
    const kernel_test::thread_machine machine{&state, &self};
    const copy_flag_table flags = memory.table();
    for (const rank_action& a : part.actions) {
        if (a.stream != stream) { continue; }
        self.fenced = a.what == kind::raise; // a kernel begins behind what its stream did before
        switch (a.what) {
        case kind::enter:
            enter_call(machine, flags, part.rank, a.queue, a.count, a.peers);
            break;
        case kind::raise:
            raise_flag(machine, flags, part.rank, a.queue, a.count, a.peers);
            break;
        case kind::hear:
            (void)hear_flag(machine, flags.of[part.rank], memory.limits(timeout_ns), part.rank, a.queue, a.count);
            break;
        case kind::mark:
            events[static_cast<std::size_t>(a.index)].count_down();
            break;
        case kind::wait:
            events[static_cast<std::size_t>(a.index)].wait();
            break;
        case kind::step:
            memory.step(part.steps[static_cast<std::size_t>(a.index)]);
            break;
        }
    }
}

/// A call of one rank, until all that it does is done.
void run(pair& memory, const rank_program& part, std::uint64_t timeout_ns) {
    std::deque<std::latch> events;
    for (int e = 0; e < part.events; ++e) { events.emplace_back(1); }
    std::map<int, std::jthread> streams;
    for (const rank_action& a : part.actions) {
        if (streams.contains(a.stream)) { continue; }
        streams.emplace(a.stream, [&, stream = a.stream] { follow(memory, part, stream, events, timeout_ns); });
    }
}

constexpr std::uint64_t seconds = 1'000'000'000;

copy_shape shaped(bool reduction) {
    copy_shape shape{.chunk = 16, .host_piece = 8, .host_share = 0.2, .slots = 2, .host_slots = 2};
    shape.staged = reduction;
    return shape;
}

} // namespace

TEST_CASE("ranks on threads give the results of all calls in a row, from any call number on") {
    for (const std::uint64_t made : {std::uint64_t{0}, (std::uint64_t{1} << 32) - 2}) {
        constexpr int count = 203;
        pair memory;
        for (copy_flags& f : memory.flags) {
            f = {};
            std::fill_n(f.told, max_ranks * copy_queues, flag_value(made, 0xFFFF));
            f.call = made;
        }
        std::vector<copy_program> calls;
        std::vector<collective> kinds;
        std::size_t slots = 0;
        std::size_t host = 0;
        for (int call = 0; call < 6; ++call) {
            kinds.push_back(call % 3 == 2 ? collective::broadcast : collective::allreduce);
            calls.push_back(make_program(plan_copies(kinds.back(), 2, call % 2, count,
                                                     kinds.back() == collective::allreduce ? 3 : 0,
                                                     shaped(kinds.back() == collective::allreduce))));
            slots = std::max(slots, calls.back().slot_elements);
            host = std::max(host, calls.back().host_elements);
        }
        for (int r = 0; r < 2; ++r) {
            for (int i = 0; i < count; ++i) { memory.in[r].push_back(1000 * (r + 1) + i); }
            memory.out[r].assign(count, -1);
            memory.slots[r].assign(slots, -1);
        }
        memory.host.assign(host, -1);
        {
            // Results of an AllReduce are the inputs of the next call of the rank, which needs them to be whole.
            std::vector<std::jthread> ranks;
            for (int r = 0; r < 2; ++r) {
                ranks.emplace_back([&, r] {
                    for (std::size_t c = 0; c < calls.size(); ++c) {
                        run(memory, part_of(calls[c], r), 60 * seconds);
                        if (kinds[c] == collective::allreduce) { memory.in[r] = memory.out[r]; }
                    }
                });
            }
        }
        CHECK(memory.words[0] == 0);
        CHECK(memory.flags[0].call == made + 6);
        for (int r = 0; r < 2; ++r) {
            for (std::size_t i = 0; i < count; ++i) {
                const int sum = 3000 + 2 * static_cast<int>(i);
                REQUIRE(memory.in[r][i] == 8 * sum); // of four AllReduces
                REQUIRE(memory.out[r][i] == 8 * sum);
            }
        }
    }
}

TEST_CASE("a rank that never comes ends the call at its deadline, and an abort at once") {
    for (const bool aborted : {false, true}) {
        pair memory;
        for (copy_flags& f : memory.flags) { f = {}; }
        const copy_program program = make_program(plan_copies(collective::allreduce, 2, 0, 100, 3, shaped(true)));
        for (int r = 0; r < 2; ++r) {
            memory.in[r].assign(100, 1);
            memory.out[r].assign(100, -1);
            memory.slots[r].assign(program.slot_elements, -1);
        }
        memory.host.assign(program.host_elements, -1);
        memory.words[0] = aborted ? 1 : 0;
        const auto begin = std::chrono::steady_clock::now();
        run(memory, part_of(program, 1), seconds / 5);
        const auto took = std::chrono::steady_clock::now() - begin;
        CHECK(memory.words[0] == 1);
        CHECK(took < std::chrono::seconds(30));
        if (aborted) {
            CHECK(memory.words[2] == 0);
        } else {
            CHECK(took >= std::chrono::milliseconds(150));
            const fault f = fault::unpacked(memory.words[2]);
            CHECK(describe(f, seconds / 5, 2)
                      .starts_with("rank 1 waited longer than 200 ms for the call to be entered "
                                   "by rank 0"));
        }
    }
}

TEST_CASE("a wait names what it was for") {
    pair memory;
    for (copy_flags& f : memory.flags) { f = {}; }
    kernel_test::block_state state;
    kernel_test::thread_machine::thread_state self;
    const kernel_test::thread_machine machine{&state, &self};
    memory.flags[0].call = 4;
    memory.flags[0].told[queue_of(1, copy_queue::own)] = flag_value(4, 1);
    memory.flags[0].told[queue_of(1, copy_queue::even)] = flag_value(4, 2);
    CHECK(hear_flag(machine, memory.flags.data(), memory.limits(seconds), 0, queue_of(1, copy_queue::even), 2));
    CHECK_FALSE(
        hear_flag(machine, memory.flags.data(), memory.limits(seconds / 20), 0, queue_of(1, copy_queue::even), 3));
    const fault f = fault::unpacked(memory.words[1]);
    CHECK(f.what == awaited::partial);
    CHECK(f.rank == 0);
    CHECK(f.peer == 1);
    CHECK(f.chunk == 2);
}
