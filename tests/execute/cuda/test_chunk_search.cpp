// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The search for a chunk size on threads of the host: a thread a GPU, whose calls last as long as a curve says.
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/schedule/miad_search.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "thread_machine.hpp"

using namespace blink;
using namespace blink::cuda;
using namespace blink::literals;

namespace {

/// A thread with a clock that somebody turns.
struct clocked_machine : kernel_test::thread_machine {
    const std::uint64_t* clock = nullptr;
    [[nodiscard]] std::uint64_t now_ns() const {
        return clock != nullptr ? *clock : kernel_test::thread_machine::now_ns();
    }
};

constexpr std::uint64_t message = 64_MiB;

searched_call call_of(int rank, const miad_options& options) {
    return {
        options, message, 32, 128, static_cast<std::uint32_t>(options.largest / 4), 0, static_cast<std::uint8_t>(rank)};
}

/// What some GPUs search together, and which calls each of them has begun.
struct trial {
    explicit trial(int ranks)
        : searches(static_cast<std::size_t>(ranks)), begun(searches.size()), sizes(searches.size()) {
        for (chunk_search& s : searches) {
            s = {};
            table.of[table.count++] = &s;
        }
    }

    /// Calls of rank `r`, which ends none before its neighbours in a chain have begun it, and dawdles now and then.
    void run(int r, int calls, const miad_options& options, const std::function<double(std::size_t)>& GBps) {
        kernel_test::block_state state;
        kernel_test::thread_machine::thread_state self;
        std::uint64_t clock = 1;
        const clocked_machine machine{{&state, &self}, &clock};
        const auto me = static_cast<std::size_t>(r);
        chunk_search& own = searches[me];
        std::mt19937 random(static_cast<unsigned>(r));
        for (int c = 1; c <= calls; ++c) {
            self.fenced = false;
            if (!begin_searched(machine, own, call_of(r, options), {words + 1, words, 60'000'000'000})) { return; }
            sizes[me].push_back(own.elements);
            begun[me].store(c, std::memory_order_release);
            for (const int peer : {r - 1, r + 1}) {
                if (peer < 0 || peer >= static_cast<int>(searches.size())) { continue; }
                while (begun[static_cast<std::size_t>(peer)].load(std::memory_order_acquire) < c) {
                    std::this_thread::yield();
                }
            }
            if (random() % 16 == 0) { std::this_thread::sleep_for(std::chrono::microseconds(200)); }
            if (r != 0) { continue; }
            clock += static_cast<std::uint64_t>(static_cast<double>(message) / GBps(own.bytes));
            end_searched(machine, table, own, call_of(r, options));
        }
    }

    std::vector<chunk_search> searches;
    std::vector<std::atomic<int>> begun;
    std::vector<std::vector<std::uint32_t>> sizes; ///< by rank and call
    chunk_search_table table{};
    std::uint64_t words[1 + max_ranks] = {};
};

double best_at_96_KiB(std::size_t chunk) {
    const double away = static_cast<double>(chunk) / static_cast<double>(96_KiB);
    return 100 / std::max(away, 1 / away);
}

constexpr miad_options options{.start = 16_KiB, .smallest = 4_KiB, .largest = 1_MiB};

} // namespace

TEST_CASE("all ranks cut each call alike, and settle where the search does that sees the same times") {
    miad_search alone(options);
    while (alone.current_stage() != miad_search::stage::settled) { alone.observe(best_at_96_KiB(alone.chunk_bytes())); }
    for (const int ranks : {1, 2, 5, 16}) {
        CAPTURE(ranks);
        constexpr int calls = 100;
        trial t(ranks);
        {
            std::vector<std::jthread> gpus;
            for (int r = 0; r < ranks; ++r) {
                gpus.emplace_back([&t, r] { t.run(r, calls, options, best_at_96_KiB); });
            }
        }
        CHECK(t.words[0] == 0);
        for (int r = 0; r < ranks; ++r) {
            const auto i = static_cast<std::size_t>(r);
            REQUIRE(t.sizes[i] == t.sizes[0]);
            CHECK(t.searches[i].bytes == alone.chunk_bytes());
            CHECK(t.searches[i].settled);
        }
        CHECK(t.sizes[0].front() == 16_KiB / 4);
        CHECK(std::ranges::max(t.sizes[0]) >= 128_KiB / 4); // it went past the best
    }
}

TEST_CASE("calls that were cut before the search moved on teach it nothing") {
    trial t(1);
    std::vector<std::size_t> asked;
    t.run(0, 9, {.start = 16_KiB, .smallest = 4_KiB, .largest = 1_MiB, .samples = 1}, [&](std::size_t chunk) {
        asked.push_back(chunk);
        return static_cast<double>(chunk); // the larger the better
    });
    CHECK(asked == std::vector<std::size_t>{16_KiB, 16_KiB, 32_KiB, 32_KiB, 64_KiB, 64_KiB, 128_KiB, 128_KiB, 256_KiB});
}

TEST_CASE("a chunk is of whole grains, at least one, and fits its slot") {
    searched_call call = call_of(0, options);
    call.most_elements = 320;
    CHECK(call.elements(1) == 32);
    CHECK(call.elements(255) == 32);
    CHECK(call.elements(256) == 64);
    CHECK(call.elements(1_MiB) == 320);
}

TEST_CASE("a leader that never tells ends the wait at the deadline, by name") {
    trial t(2);
    kernel_test::block_state state;
    kernel_test::thread_machine::thread_state self;
    const kernel_test::thread_machine machine{&state, &self};
    const patience limits{t.words + 1, t.words, 50'000'000};
    for (int c = 0; c < search_delay; ++c) {
        CHECK(begin_searched(machine, t.searches[1], call_of(1, options), limits));
    }
    CHECK_FALSE(begin_searched(machine, t.searches[1], call_of(1, options), limits));
    CHECK(t.words[0] == 1);
    CHECK(describe(fault::unpacked(t.words[2]), limits.timeout_ns, 2)
              .starts_with("rank 1 waited longer than 50 ms for the size of chunks to be told by rank 0"));
    CHECK(t.searches[1].elements == 16_KiB / 4); // kernels behind it still find a size
}

TEST_CASE("the number of a call may pass 2^32") {
    trial t(2);
    constexpr std::uint64_t before = (std::uint64_t{1} << 32) - 5;
    for (chunk_search& s : t.searches) {
        s.calls = before;
        s.search = miad_search(options);
        for (const std::uint64_t call : {before - 1, before}) {
            s.told[call % search_words] = search_word::packed(call, 8_KiB, false);
        }
    }
    {
        std::jthread other([&t] { t.run(1, 40, options, best_at_96_KiB); });
        t.run(0, 40, options, best_at_96_KiB);
    }
    CHECK(t.sizes[0] == t.sizes[1]);
    CHECK(t.sizes[0].front() == 8_KiB / 4);
    CHECK(t.searches[1].calls == before + 40);
    CHECK(t.words[0] == 0);
}
