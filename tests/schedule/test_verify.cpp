// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/program.hpp>
#include <blink/schedule/verify.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "made_packings.hpp"

using blink::action;
using blink::collective;
using blink::phase;
using blink::schedule;
using blink::step;

namespace {

schedule chain(int ranks, collective kind) { return blink::make_schedule(made::chain(ranks, kind).packing); }
schedule star(int ranks, collective kind) { return blink::make_schedule(made::star(ranks, kind).packing); }

blink::role& at(schedule& s, std::size_t rank, std::size_t lane = 0) { return s.lanes[lane].roles[rank]; }

/// The message with which `what` is refused; "accepted" where it is not.
std::string refusal(const std::function<void()>& what) {
    try {
        what();
    } catch (const blink::schedule_error& e) { return e.what(); }
    return "accepted";
}
std::string refusal(const schedule& s, blink::verify_options options = {}) {
    return refusal([&] { blink::verify(s, options); });
}
std::string refusal(const blink::program& p, int slots = 1) {
    return refusal([&] { blink::verify(p, slots); });
}

std::vector<step>& steps(blink::program& p, int rank, phase ph) {
    for (blink::worker& w : p.workers) {
        if (w.rank == rank && w.phase == ph) { return w.steps; }
    }
    throw std::logic_error("no such worker");
}

constexpr std::array every_kind{collective::broadcast, collective::reduce, collective::allreduce};

} // namespace

TEST_CASE("every schedule made of trees is accepted, for all chunk counts and FIFO sizes") {
    int accepted = 0;
    for (const collective kind : every_kind) {
        std::vector<schedule> all;
        for (int ranks = 1; ranks <= 16; ++ranks) {
            const int lanes = ranks == 16 ? 30 : 1 + ranks % 7;
            all.push_back(blink::make_schedule(made::random(ranks, lanes, kind, static_cast<unsigned>(ranks)).packing));
        }
        for (int ranks = 2; ranks <= 8; ++ranks) {
            all.push_back(chain(ranks, kind));
            all.push_back(star(ranks, kind));
        }
        for (const schedule& s : all) {
            for (const int slots : {1, 2, 4}) {
                for (int chunks = 1; chunks <= 5; ++chunks) {
                    REQUIRE_NOTHROW(blink::verify(s, {chunks, slots}));
                    ++accepted;
                }
            }
        }
    }
    CHECK(accepted == 3 * (16 + 14) * 15);
    CHECK_NOTHROW(blink::verify(blink::make_schedule(made::dgx1v_broadcast().packing)));
}

TEST_CASE("a contribution that never gets to the root is lost") {
    schedule s = chain(4, collective::allreduce);
    at(s, 2).reduce_from.clear();
    CHECK(refusal(s, {1, 1}) == "rank 0, lane 0, chunk 0: up finishes with a lost contribution, that of rank 3");
    s = star(4, collective::reduce);
    at(s, 0).reduce_from = {1, 3};
    CHECK(refusal(s) == "rank 0, lane 0, chunk 0: up finishes with a lost contribution, that of rank 2");
}

TEST_CASE("a partial result handed on too early loses a contribution, and the culprit is named") {
    auto p = blink::expand(chain(4, collective::reduce), 2);
    auto& own = steps(p, 1, phase::up);
    std::swap(own[2], own[3]);
    CHECK(refusal(p, 2) == "rank 0, lane 0, chunk 1: up finishes with a lost contribution, that of rank 2; "
                           "rank 1 combined that of rank 2 after handing its own on");
}

TEST_CASE("a contribution that comes over two ways is doubled") {
    // 3 hands its own to 1 and to 2
    auto p = blink::expand(chain(4, collective::allreduce), 1);
    steps(p, 3, phase::up).push_back({action::send, 1, 0});
    auto& own = steps(p, 1, phase::up);
    own.insert(own.begin() + 1, {action::receive_reduce, 3, 0});
    CHECK(refusal(p) ==
          "rank 1, lane 0, chunk 0: up the partial result of rank 3 brings a doubled contribution of rank 3");
}

TEST_CASE("a result that comes twice is refused") {
    auto p = blink::expand(chain(3, collective::broadcast), 1);
    steps(p, 0, phase::down).push_back({action::send, 2, 0});
    steps(p, 2, phase::down).push_back({action::receive, 0, 0});
    CHECK(refusal(p) == "rank 2, lane 0, chunk 0: down receive brings the result a second time");
}

TEST_CASE("chunks out of order are seen by the receiver") {
    auto p = blink::expand(chain(2, collective::broadcast), 3);
    std::swap(steps(p, 0, phase::down)[1], steps(p, 0, phase::down)[2]);
    CHECK(refusal(p) == "rank 1, lane 0, chunk 1: down gets chunk 2 out of order from rank 0");
    p = blink::expand(chain(3, collective::allreduce), 2);
    std::swap(steps(p, 2, phase::up)[0], steps(p, 2, phase::up)[1]);
    CHECK(refusal(p, 2) == "rank 1, lane 0, chunk 0: up gets chunk 1 out of order from rank 2");
}

TEST_CASE("an exchange whose two ranks combine in different orders is refused, though no contribution is lost") {
    const auto exchange = [](bool reversed) {
        blink::program p{collective::allreduce, 2, 0, {1}, {}};
        p.workers.push_back(
            {0, 0, phase::up, {{action::send, 1, 0}, {action::receive_reduce, 1, 0}, {action::finish, -1, 0}}});
        p.workers.push_back(
            {1, 0, phase::up, {{action::send, 0, 0}, {action::receive_reduce, 0, 0}, {action::finish, -1, 0}}});
        if (reversed) { std::swap(p.workers[0], p.workers[1]); }
        return p;
    };
    const std::string expected = "rank 1, lane 0, chunk 0: combines in a different order than rank 0: (1 0) and (0 1)";
    CHECK(refusal(exchange(false)) == expected);
    CHECK(refusal(exchange(true)) == expected);
}

TEST_CASE("a rank that waits for ever is named together with the one it waits for") {
    schedule s = chain(4, collective::broadcast);
    at(s, 1).broadcast_to.clear();
    CHECK(refusal(s) ==
          "rank 2, lane 0, chunk 0: down waits for ever for a chunk from rank 1, which has no more steps");
    s = chain(3, collective::reduce);
    at(s, 1).reduce_from.clear();
    at(s, 2).reduce_to = blink::no_rank;
    at(s, 0).reduce_from = {1, 2};
    CHECK(refusal(s) == "rank 0, lane 0, chunk 0: up waits for ever for a chunk from rank 2, which has no more steps");
    s = chain(3, collective::broadcast);
    s.lanes[0].roles[1].broadcast_from = blink::no_rank;
    at(s, 0).broadcast_to.clear();
    CHECK(refusal(s) == "rank 1, lane 0, chunk 0: down waits for ever for its own result, which nobody makes");
}

TEST_CASE("ranks that wait for each other are shown as a circle") {
    schedule s = chain(3, collective::allreduce);
    at(s, 0).reduce_to = 2; // 2 -> 1 -> 0 -> 2
    at(s, 2).reduce_from = {0};
    CHECK(refusal(s) == "rank 0, lane 0, chunk 0: up waits for ever for a chunk from rank 1; a circle of ranks: "
                        "0 -> 1 -> 2 -> 0");
}

TEST_CASE("what runs with large FIFOs may wait for ever with small ones") {
    // the root finishes nothing before it has both chunks
    blink::program p{collective::allreduce, 2, 0, {2}, {}};
    p.workers.push_back({1, 0, phase::up, {{action::send, 0, 0}, {action::send, 0, 1}}});
    p.workers.push_back({0,
                         0,
                         phase::up,
                         {{action::receive_reduce, 1, 0},
                          {action::receive_reduce, 1, 1},
                          {action::finish, -1, 0},
                          {action::finish, -1, 1}}});
    p.workers.push_back({0, 0, phase::down, {{action::send, 1, 0}, {action::send, 1, 1}}});
    p.workers.push_back({1, 0, phase::down, {{action::receive, 0, 0}, {action::receive, 0, 1}}});
    CHECK(refusal(p, 1) == "accepted");
    // three ranks: 2 sends all its chunks to 1 before any to 0, and 0 feeds 1 only after it has heard of 2
    blink::program three{collective::reduce, 3, 1, {2}, {}};
    three.workers.push_back(
        {0,
         0,
         phase::up,
         {{action::receive_reduce, 2, 0}, {action::send, 1, 0}, {action::receive_reduce, 2, 1}, {action::send, 1, 1}}});
    three.workers.push_back({1,
                             0,
                             phase::up,
                             {{action::receive_reduce, 0, 0},
                              {action::receive_reduce, 2, 0},
                              {action::finish, -1, 0},
                              {action::receive_reduce, 0, 1},
                              {action::receive_reduce, 2, 1},
                              {action::finish, -1, 1}}});
    three.workers.push_back({2, 0, phase::up, {{action::send, 1, 0}, {action::send, 1, 1}, {action::send, 0, 0}}});
    CHECK(refusal(three, 1) == "rank 0, lane 0, chunk 0: up waits for ever for a chunk from rank 2; a circle of ranks: "
                               "0 -> 2 -> 1 -> 0");
    CHECK(refusal(three, 2).find("doubled contribution of rank 2") != std::string::npos);
}

TEST_CASE("a message that nobody takes is left over or blocks its sender") {
    schedule s = star(3, collective::broadcast);
    at(s, 1).broadcast_to = {2};
    CHECK(refusal(s, {1, 1}) == "rank 2, lane 0, chunk 0: down an unmatched message from rank 1 is left over");
    CHECK(refusal(s, {3, 1}) == "rank 1, lane 0, chunk 1: down waits for ever for a free slot towards rank 2, which "
                                "has no more steps");
}

TEST_CASE("a result that does not arrive is missed") {
    schedule s = star(3, collective::allreduce);
    at(s, 0).broadcast_to = {1};
    at(s, 2).broadcast_from = blink::no_rank;
    CHECK(refusal(s) == "rank 2, lane 0, chunk 0: the result never arrives");
    auto p = blink::expand(star(3, collective::reduce), 2);
    steps(p, 0, phase::up).pop_back();
    CHECK(refusal(p) == "rank 0, lane 0, chunk 1: the result never arrives");
}

TEST_CASE("unknown ranks, lanes and chunks are named") {
    schedule s = chain(3, collective::broadcast);
    at(s, 2).broadcast_to = {9};
    CHECK(refusal(s) == "rank 2, lane 0, every chunk: broadcast_to names the unknown rank 9");
    s = chain(3, collective::reduce);
    at(s, 1).reduce_to = 1;
    CHECK(refusal(s) == "rank 1, lane 0, every chunk: reduce_to names the rank itself");
    s = chain(3, collective::broadcast);
    s.root = 3;
    CHECK(refusal(s) == "broadcast: the root is the unknown rank 3");
    s = chain(3, collective::allreduce);
    s.lanes[0].root = -1;
    CHECK(refusal(s) == "lane 0: its root is the unknown rank -1");

    auto p = blink::expand(chain(3, collective::broadcast), 1);
    steps(p, 1, phase::down)[0].peer = 7;
    CHECK(refusal(p) == "rank 1, lane 0, chunk 0: down receive names the unknown rank 7; the ranks are 0..2");
    p = blink::expand(chain(3, collective::broadcast), 1);
    p.workers[0].rank = 5;
    CHECK(refusal(p) == "rank 5, lane 0: unknown rank; the ranks are 0..2");
    p = blink::expand(chain(3, collective::broadcast), 1);
    p.workers[0].lane = 1;
    CHECK(refusal(p) == "rank 0, lane 1: unknown lane; there are 1");
    p = blink::expand(chain(3, collective::broadcast), 1);
    p.workers[0].steps[0].chunk = 1;
    CHECK(refusal(p) == "rank 0, lane 0, chunk 1: down send names an unknown chunk");
    p = blink::expand(chain(3, collective::broadcast), 1);
    p.workers[1].rank = 0;
    CHECK(refusal(p) == "rank 0, lane 0: two workers for the down phase");
}

TEST_CASE("steps of the wrong phase or collective are refused") {
    auto p = blink::expand(chain(2, collective::allreduce), 1);
    steps(p, 1, phase::down)[0].what = action::receive_reduce;
    CHECK(refusal(p) == "rank 1, lane 0, chunk 0: down receive_reduce is no step of this phase");
    schedule s = chain(2, collective::allreduce);
    s.kind = collective::broadcast;
    CHECK(refusal(s) == "rank 0, lane 0, chunk 0: up receive_reduce is no step of a broadcast");
    s.kind = collective::allgather;
    CHECK(refusal(s) == "the lanes of root 0 carry 1.000000 of the data, not its shard of 1/2");
}

TEST_CASE("the shape of the lanes is checked") {
    schedule s = chain(3, collective::allreduce);
    s.lanes[0].share = 0.75;
    CHECK(refusal(s) == "the shares of the 1 lanes add up to 0.750000, not to 1");
    s.lanes[0].share = std::nan("");
    CHECK(refusal(s) == "lane 0: its share is nan");
    s.lanes.push_back(s.lanes[0]);
    s.lanes[0].share = 1.5;
    s.lanes[1].share = -0.5;
    CHECK(refusal(s) == "lane 1: its share is -0.500000");
    s = chain(3, collective::allreduce);
    s.lanes[0].roles.pop_back();
    CHECK(refusal(s) == "lane 0: 2 roles for 3 ranks");
    s.lanes.clear();
    CHECK(refusal(s) == "the shares of the 0 lanes add up to 0.000000, not to 1");
    s = chain(3, collective::reduce);
    s.lanes[0].root = 1;
    CHECK(refusal(s) == "lane 0: its root is rank 1, that of the reduce is rank 0");
    s.ranks = 0;
    CHECK(refusal(s) == "reduce: 0 ranks; expected 1 or more");
    CHECK_THROWS_AS(blink::verify(chain(2, collective::reduce), {1, 0}), blink::usage_error);
}

TEST_CASE("any single edit of the roles of a random schedule is noticed") {
    int edits = 0;
    for (unsigned seed = 1; seed <= 10; ++seed) {
        const auto whole = blink::make_schedule(made::random(6, 2, collective::allreduce, seed).packing);
        for (std::size_t r = 0; r < 6; ++r) {
            for (const int member : {0, 1, 2, 3}) {
                schedule s = whole;
                blink::role& own = at(s, r, 1);
                if (member == 0 && !own.reduce_from.empty()) { own.reduce_from.pop_back(); }
                if (member == 1) { own.reduce_to = blink::no_rank; }
                if (member == 2) { own.broadcast_from = blink::no_rank; }
                if (member == 3 && !own.broadcast_to.empty()) { own.broadcast_to.pop_back(); }
                if (s == whole) { continue; }
                ++edits;
                CHECK(refusal(s) != "accepted");
            }
        }
    }
    CHECK(edits > 100);
}
