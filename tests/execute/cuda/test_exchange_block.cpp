// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/units.hpp>
#include <blink/execute/cuda/exchange_block.hpp>
#include <blink/execute/cuda/exchange_call.hpp>
#include <blink/schedule/exchange.hpp>
#include <blink/schedule/exchange_routes.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "kernel_calls.hpp"
#include "made_schedules.hpp"

using namespace blink;
using namespace blink::cuda;
using namespace kernel_test;

namespace {

template <class Unit>
using rows = std::vector<std::vector<Unit>>;

/// Ranks on a line: whoever is not beside another reaches it over those between.
fabric line_of(int ranks) {
    topology line("line", ranks);
    for (int r = 0; r + 1 < ranks; ++r) { line.connect({.from = r, .to = r + 1, .GBps = 25}); }
    return make_fabric(line);
}

fabric all_pairs(int ranks) {
    topology full("full", ranks);
    for (int a = 0; a < ranks; ++a) {
        for (int b = a + 1; b < ranks; ++b) { full.connect({.from = a, .to = b, .GBps = 25}); }
    }
    return ranks > 1 ? make_fabric(full) : fabric{1, 1, {}, {}};
}

const auto any_hop = [](int, int) { return true; };
const auto all_move = [](const transfer&) { return true; };

/// One exchange with its buffers: random inputs, poisoned outputs, both off their alignment.
template <class Unit>
struct exchange_trial {
    exchange_trial(std::mt19937& random, exchange what, const fabric& f, int blocks, std::size_t chunk_bytes,
                   bool staged = false)
        : e(std::move(what)), is_staged(staged) {
        const auto n = static_cast<std::size_t>(e.ranks);
        const std::size_t in_shift = random() % 3;
        const std::size_t out_shift = random() % 3;
        in.assign(n, std::vector<Unit>(input_count(e) + in_shift));
        out.assign(n, std::vector<Unit>(output_count(e) + out_shift + 1, poison));
        for (auto& row : in) {
            for (Unit& x : row) { x = static_cast<Unit>(random()); }
        }
        expected = out;
        for (const transfer& t : e.transfers) {
            const auto& from = in[static_cast<std::size_t>(t.from)];
            auto& to = expected[static_cast<std::size_t>(t.to)];
            for (std::size_t i = 0; i < t.count; ++i) {
                to[out_shift + t.out_offset + i] = from[in_shift + t.in_offset + i];
            }
        }
        auto routes = exchange_routes(e, f, any_hop);
        if (staged) { routes = staged_routes(std::move(routes)); }
        for (const exchange_round& r : make_rounds(e, routes, 1, all_move, blocks)) {
            calls.push_back(lay_round<Unit>(r, blocks, memory::slot_bytes, chunk_bytes));
            for (std::size_t i = 0; i < n; ++i) {
                calls.back().in[i] = in[i].data() + in_shift;
                calls.back().out[i] = out[i].data() + out_shift;
            }
        }
    }

    void place(memory& m) {
        for (exchange_call<Unit>& call : calls) {
            for (std::size_t r = 0; r < m.flags.size(); ++r) {
                call.flags[r] = m.flags[r].data();
                call.slots[r] = reinterpret_cast<std::byte*>(m.slots[r].data());
            }
            call.abort = m.words;
            call.faults = m.words + 1;
            call.timeout_ns = 20'000'000'000;
        }
    }

    static constexpr Unit poison = static_cast<Unit>(0xC5C5C5C5C5C5C5C5ULL);
    exchange e;
    bool is_staged;
    rows<Unit> in, out, expected;
    std::vector<exchange_call<Unit>> calls;
};

template <class Unit>
void run_exchange(const exchange_call<Unit>& call, int local_ranks) {
    run_blocks(call.first_block[call.lane_count], local_ranks, threads_per_block,
               [&](const thread_machine& machine, block_state&) { exchange_block(machine, call); });
}

/// The call as a rank of another process sees it: other ranks' buffers are unknown.
template <class Unit>
exchange_call<Unit> seen_by(exchange_call<Unit> call, int rank) {
    for (int r = 0; r < max_ranks; ++r) {
        if (r != rank) { call.in[r] = call.out[r] = nullptr; }
    }
    return call;
}

/// Transfers of any size between any ranks, outputs side by side.
exchange random_exchange(std::mt19937& random, int ranks, int most) {
    std::vector<transfer> list;
    std::vector<std::size_t> filled(static_cast<std::size_t>(ranks));
    for (int i = 0; i < most; ++i) {
        const auto n = static_cast<unsigned>(ranks);
        transfer t{static_cast<int>(random() % n), static_cast<int>(random() % n), random() % 50, 0, random() % 1500};
        std::size_t& end = filled[static_cast<std::size_t>(t.to)];
        t.out_offset = end + random() % 2;
        end = t.out_offset + t.count;
        list.push_back(t);
    }
    return make_send_recv(ranks, list);
}

exchange any_exchange(std::mt19937& random, int ranks) {
    const int root = static_cast<int>(random() % static_cast<unsigned>(ranks));
    const std::size_t count = random() % 4 == 0 ? random() % 3 : random() % 1200;
    switch (random() % 4) {
    case 0:
        return make_gather(ranks, root, count);
    case 1:
        return make_scatter(ranks, root, count);
    case 2:
        return make_alltoall(ranks, count);
    default:
        return random_exchange(random, ranks, 1 + static_cast<int>(random() % 8));
    }
}

/// Exchanges follow each other on every rank without waiting for the other ranks, with an allreduce between them that
/// uses the same flags and slots.
template <class Unit>
void run_calls(std::mt19937& random, int ranks, const fabric& f, int exchanges, bool staged = false) {
    memory m(ranks);
    std::vector<exchange_trial<Unit>> trials;
    for (int i = 0; i < exchanges; ++i) {
        const int blocks = 1 + static_cast<int>(random() % 4);
        trials.emplace_back(random, any_exchange(random, ranks), f, blocks,
                            random() % 2 == 0 ? 0 : 128 * (1 + random() % 8), staged && i % 3 != 2);
        trials.back().place(m);
    }
    const schedule sums = made::random_trees(collective::allreduce, ranks, 1, 5);
    buffers<std::int32_t> b(random, sums, 1500, false, 0);
    const call_shape shape = make_shape(sums, 1500, sizeof(std::int32_t), {2, memory::slot_bytes, 512});
    const auto reduction = make_call(sums, m, b, shape);
    {
        std::vector<std::jthread> streams;
        for (int r = 0; r < ranks; ++r) {
            streams.emplace_back([&, r] {
                for (std::size_t i = 0; i < trials.size(); ++i) {
                    for (exchange_call<Unit> call : trials[i].calls) {
                        if (trials[i].is_staged) { call = seen_by(call, r); }
                        call.local_ranks[0] = static_cast<std::uint8_t>(r);
                        run_exchange(call, 1);
                    }
                    if (i == 0) { enter(reduction, sums, r, shape.blocks); }
                }
            });
        }
    }
    CHECK(m.words[0] == 0);
    check_result(sums, b, 1500);
    for (std::size_t i = 0; i < trials.size(); ++i) {
        CAPTURE(i);
        CAPTURE(trials[i].e.name);
        CHECK(trials[i].out == trials[i].expected);
    }
}

} // namespace

TEST_CASE("random exchanges between joined ranks, call after call, beside an allreduce") {
    std::mt19937 random(1);
    for (const int ranks : {2, 3, 4}) {
        run_calls<std::uint32_t>(random, ranks, all_pairs(ranks), 4);
        run_calls<std::uint8_t>(random, ranks, all_pairs(ranks), 3);
    }
}

TEST_CASE("where no wire leads straight, ranks between forward") {
    std::mt19937 random(2);
    for (const int ranks : {3, 4, 5}) {
        run_calls<std::uint64_t>(random, ranks, line_of(ranks), 3);
        run_calls<std::uint16_t>(random, ranks, line_of(ranks), 3);
    }
}

TEST_CASE("where no rank sees another's buffers, each takes what comes from slots of its own") {
    std::mt19937 random(5);
    for (const int ranks : {1, 2, 3, 4}) {
        run_calls<std::uint32_t>(random, ranks, all_pairs(ranks), 4, true);
        run_calls<std::uint8_t>(random, ranks, all_pairs(ranks), 4, true);
        if (ranks > 1) { run_calls<std::uint64_t>(random, ranks, line_of(ranks), 4, true); }
    }
}

TEST_CASE("a rank's shard that is in place stays whole though others cannot know of it") {
    std::mt19937 random(6);
    memory m(3);
    const exchange e = make_gather(3, 1, 1001);
    exchange_trial<std::uint32_t> t(random, e, all_pairs(3), 2, 1024, true);
    t.place(m);
    std::vector<std::jthread> streams;
    for (int r = 0; r < 3; ++r) {
        streams.emplace_back([&, r] {
            for (exchange_call<std::uint32_t> call : t.calls) {
                call = seen_by(call, r);
                if (r == 1) { // the expected output has the input already
                    std::copy(call.in[1], call.in[1] + 1001, call.out[1] + 1001);
                    call.in[1] = call.out[1] + 1001;
                }
                call.local_ranks[0] = static_cast<std::uint8_t>(r);
                run_exchange(call, 1);
            }
        });
    }
    streams.clear();
    CHECK(m.words[0] == 0);
    CHECK(t.out == t.expected);
}

TEST_CASE("ranks that share a GPU run as one kernel, one rank alone too") {
    std::mt19937 random(3);
    for (const int ranks : {1, 3}) {
        memory m(ranks);
        exchange_trial<std::uint32_t> t(random, make_alltoall(ranks, 2001), all_pairs(ranks), 3, 1024);
        t.place(m);
        for (exchange_call<std::uint32_t> call : t.calls) {
            for (int r = 0; r < ranks; ++r) { call.local_ranks[r] = static_cast<std::uint8_t>(r); }
            run_exchange(call, ranks);
        }
        CHECK(t.out == t.expected);
    }
}

TEST_CASE("in every lane of a call a rank begins, forwards and ends one transfer at most") {
    const fabric f = make_fabric(topology(dgx1v), link_choice::nvlink);
    for (const int lanes : {4, 16}) {
        const exchange e = make_alltoall(8, 100);
        const auto routes = exchange_routes(e, f, any_hop);
        std::size_t transfers = 0;
        for (const exchange_round& round : make_rounds(e, routes, 1, all_move, lanes)) {
            CHECK(round.longest.size() <= static_cast<std::size_t>(lanes));
            CHECK(round.transfers.size() <= static_cast<std::size_t>(max_exchange_transfers));
            transfers += round.transfers.size();
            std::vector<int> begun(round.transfers.size()), ended(begun), forwarded(begun);
            for (const auto& lane : round.parts) {
                for (const lane_part& p : lane) {
                    if (p.begins != no_transfer) { ++begun[p.begins]; }
                    if (p.ends != no_transfer) { ++ended[p.ends]; }
                    if (p.forwards != no_transfer) { ++forwarded[p.forwards]; }
                }
            }
            for (std::size_t t = 0; t < begun.size(); ++t) {
                CHECK(begun[t] == 1);
                CHECK(ended[t] == 1);
                CHECK(forwarded[t] == std::max(0, round.transfers[t].last() - 1));
            }
        }
        CHECK(transfers == 64);
    }
    // Joined pairs need a lane for each shift, and no more.
    const exchange e = make_alltoall(8, 100);
    CHECK(make_rounds(e, exchange_routes(e, all_pairs(8), any_hop), 1, all_move, 16).at(0).longest.size() == 8);
}

TEST_CASE("who waits past the deadline names the missing rank") {
    std::mt19937 random(4);
    memory m(3);
    const std::vector<transfer> one{{0, 2, 0, 0, 100}};
    for (const int present : {0, 2}) {
        exchange_trial<std::uint32_t> t(random, make_send_recv(3, one), line_of(3), 1, 0);
        t.place(m);
        std::fill(std::begin(m.words), std::end(m.words), 0U);
        exchange_call<std::uint32_t> call = t.calls.at(0);
        call.timeout_ns = 50'000'000;
        call.local_ranks[0] = static_cast<std::uint8_t>(present);
        run_exchange(call, 1);
        CHECK(m.words[0] == 1);
        REQUIRE(m.words[1 + present] != 0);
        const fault found = fault::unpacked(m.words[1 + present]);
        CHECK(found.what == (present == 0 ? awaited::room : awaited::result));
        CHECK(found.rank == present);
        CHECK(found.peer == 1);
    }
}
