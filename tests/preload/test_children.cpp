// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <array>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "derived_ids.hpp"
#include "two_processes.hpp"

using namespace preload_test;

namespace {

std::string text_of(const nccl::unique_id& id) { return {id.internal, sizeof id.internal}; }

nccl::unique_id named(char name) { return {{'i', 'd', 0, name}}; }

/// One process of several, each with one rank of a communicator of all.
struct one_of_several {
    one_of_several(const settings& s, int ranks, int rank) : chosen(s), blink(nccl, make_fake, make_part, chosen) {
        nccl::communicator* made = comm(static_cast<std::size_t>(rank));
        CHECK(blink.init_rank(&made, ranks, some_id, rank, true, yes) == nccl::success);
    }
    /// A child of `ranks` without `excluded`, on which an AllReduce of `count` is made.
    void shrink(int rank, std::vector<int> excluded, int ranks, int new_rank, std::size_t count, bool aborts = false) {
        nccl::communicator* made = nullptr;
        nccl.placed_ranks = ranks;
        nccl.placed_rank = new_rank;
        CHECK(blink.shrink(comm(static_cast<std::size_t>(rank)), excluded, aborts, &made, true, [&] {
            made = comm(10 * count + static_cast<std::size_t>(rank));
            return nccl::success;
        }) == nccl::success);
        collective_call c = call_on(rank, count);
        c.comm = made;
        (void)blink.collective(c);
    }
    fake_nccl nccl;
    settings chosen;
    interposer blink;
};

/// Threads pass for three processes; each does `body(process, rank)`.
template <class Body>
lines of_three(const settings& s, const Body& body) {
    fake() = {};
    (void)written().taken();
    std::latch ready(3);
    std::latch done(3);
    std::vector<std::thread> threads;
    for (const int r : {0, 1, 2}) {
        threads.emplace_back([&, r] {
            one_of_several p(s, 3, r);
            ready.arrive_and_wait();
            body(p, r);
            done.arrive_and_wait();
        });
    }
    for (std::thread& t : threads) { t.join(); }
    lines found = written().taken();
    std::erase_if(found, [](const std::string& line) { return line.starts_with("made"); });
    return sorted(found);
}

/// Makes a child for each rank of `p` in one group; ranks whose color is below 0 get none.
void split_all(program& p, const std::vector<nccl::communicator*>& parents, const std::vector<int>& colors,
               std::vector<nccl::communicator*>& made) {
    p.blink.group_start();
    for (std::size_t r = 0; r < parents.size(); ++r) {
        CHECK(p.blink.split(parents[r], colors[r], &made[r], true, yes) == nccl::success);
    }
    std::vector<int> ranks(parents.size(), 0);
    for (std::size_t r = 0; r < parents.size(); ++r) {
        // NCCL fills the handles in when the group ends; here they are there at once, and nobody looks before.
        made[r] = colors[r] < 0 ? nullptr : comm(reinterpret_cast<std::size_t>(parents[r]) / 0x1000 - 1 + 10);
        const auto of_color = static_cast<int>(std::ranges::count(colors, colors[r]));
        const auto before =
            static_cast<int>(std::count(colors.begin(), colors.begin() + static_cast<std::ptrdiff_t>(r), colors[r]));
        p.nccl.places[made[r]] = {of_color, before};
    }
    CHECK(p.blink.group_end() == nccl::success);
    (void)written().taken();
}

/// Whose the calls are that all of `comms` make in one group.
lines called(program& p, const std::vector<nccl::communicator*>& comms, std::size_t count) {
    p.blink.group_start();
    for (nccl::communicator* const c : comms) {
        collective_call call{collective::allreduce};
        call.count = count;
        call.comm = c;
        (void)p.blink.collective(call);
    }
    p.blink.group_end();
    lines found = written().taken();
    found.pop_back(); // the end of NCCL's group
    return found;
}

} // namespace

TEST_CASE("the id of several follows from all of them in their order; a single one stands for itself") {
    const std::array ids{named('a'), named('b'), named('c')};
    const std::array turned{ids[1], ids[0], ids[2]};
    const std::array other{ids[0], ids[1], named('d')};
    CHECK(text_of(id_of_several(std::span(ids).first(1))) == text_of(ids[0]));
    CHECK(text_of(id_of_several(ids)) == text_of(id_of_several(std::array{ids[0], ids[1], ids[2]})));
    for (const std::span<const nccl::unique_id> all :
         {std::span(turned).first(3), std::span(other).first(3), std::span(ids).first(2), std::span(ids).first(1)}) {
        CHECK(text_of(id_of_several(all)) != text_of(id_of_several(ids)));
    }
}

TEST_CASE("each rank comes to the same ids of children by itself") {
    child_ids one(some_id), other(some_id), stranger(named('x'));
    const auto first = one.of_split(comm(0), 3);
    CHECK(text_of(other.of_split(comm(7), 3)) == text_of(first));
    CHECK(text_of(one.of_split(comm(1), 3)) == text_of(first)); // another rank of one process has its own count
    CHECK(text_of(stranger.of_split(comm(0), 3)) != text_of(first));
    CHECK(text_of(one.of_split(comm(0), 3)) != text_of(first));
    CHECK(text_of(other.of_split(comm(7), 4)) != text_of(one.of_split(comm(1), 3)));
    // Whoever was left out of a shrink has not counted it, and takes part in the next one and in splits.
    const auto without_2 = one.of_shrink(comm(0), {2, 5});
    CHECK(text_of(other.of_shrink(comm(7), {5, 2, 5})) == text_of(without_2));
    CHECK(text_of(one.of_shrink(comm(0), {2, 5})) != text_of(without_2));
    CHECK(text_of(one.of_shrink(comm(0), {1})) == text_of(child_ids(some_id).of_shrink(comm(2), {1})));
    CHECK(text_of(one.of_shrink(comm(0), {1})) != text_of(one.of_shrink(comm(0), {11})));
    CHECK(text_of(one.of_split(comm(0), 3)) == text_of(other.of_split(comm(7), 3)));
    CHECK(text_of(new_id_here()) != text_of(new_id_here()));
}

TEST_CASE("processes that give the same ids in the same order meet; in another order all leave it to NCCL") {
    const folder here;
    settings s = choices(here);
    bool same = true;
    SUBCASE("the same order") {}
    SUBCASE("another order") {
        same = false;
        s.rendezvous_timeout = 500ms;
    }
    both(s, make_part, [&](one_of_two& p, int r) {
        std::array ids{named('a'), named('b')};
        if (!same && r == 1) { std::swap(ids[0], ids[1]); }
        nccl::communicator* made = comm(20 + static_cast<std::size_t>(r));
        CHECK(p.blink.init_rank(&made, 2, id_of_several(ids), r, true, yes) == nccl::success);
        collective_call c = call_on(r, 5);
        c.comm = made;
        (void)p.blink.collective(c);
    });
    const lines found = written().taken();
    CHECK(std::ranges::count(found, "blink allreduce 5 among 1") == (same ? 2 : 0));
    CHECK(std::ranges::count_if(found, [](const std::string& l) { return l.starts_with("nccl allreduce 5"); }) ==
          (same ? 0 : 2));
}

TEST_CASE("the ranks that remain of a communicator of processes meet without those that are left out") {
    const folder here;
    CHECK(of_three(choices(here),
                   [](one_of_several& p, int r) {
                       if (r != 2) { p.shrink(r, {2}, 2, r, 1); }
                       if (r != 0) { p.shrink(r, {0}, 2, r - 1, 2); } // rank 2 makes its first child, rank 1 its second
                       if (r != 2) { p.shrink(r, {2}, 2, r, 3); }
                       if (r == 1) { p.shrink(r, {2, 0}, 1, 0, 4); } // alone, with nobody to talk to
                       (void)p.blink.collective(call_on(r, 9));      // the parent runs on
                   }) == lines{"blink allreduce 1 among 1", "blink allreduce 1 among 1", "blink allreduce 2 among 1",
                               "blink allreduce 2 among 1", "blink allreduce 3 among 1", "blink allreduce 3 among 1",
                               "blink allreduce 9 among 1", "blink allreduce 9 among 1", "blink allreduce 9 among 1",
                               "nccl allreduce 4 on 41"});
    CHECK(alive() == 0);
}

TEST_CASE("a shrink that aborts ends what runs on the parent first, and the parent is no longer Blink's") {
    const folder here;
    CHECK(of_three(choices(here),
                   [](one_of_several& p, int r) {
                       if (r == 2) { return; } // its process may have ended
                       p.shrink(r, {2}, 2, r, 1, true);
                       (void)p.blink.collective(call_on(r, 9));
                   }) == lines{"abort", "abort", "blink allreduce 1 among 1", "blink allreduce 1 among 1",
                               "nccl allreduce 9 on 0", "nccl allreduce 9 on 1"});
    program p(3);
    nccl::communicator* made = nullptr;
    p.blink.group_start();
    for (const std::size_t r : {0U, 1U, 2U}) { p.call(r, 4); }
    lines seen;
    const auto to_nccl = [&] {
        seen = written().taken();
        return nccl::invalid_argument;
    };
    SUBCASE("calls that wait in the group go to NCCL before") {
        CHECK(p.blink.shrink(comm(0), std::array{2}, true, &made, true, to_nccl) == nccl::invalid_argument);
        CHECK(seen == lines{"nccl allreduce 4 on 0", "nccl allreduce 4 on 1", "nccl allreduce 4 on 2", "abort"});
    }
    SUBCASE("nothing ends without a rank to leave out, which NCCL refuses, or without being asked to") {
        CHECK(p.blink.shrink(comm(0), {}, true, &made, true, to_nccl) == nccl::invalid_argument);
        CHECK(seen.empty());
        CHECK(p.blink.shrink(comm(0), std::array{2}, false, &made, true, to_nccl) == nccl::invalid_argument);
        CHECK(seen.empty());
    }
    p.blink.group_end();
    (void)written().taken();
}

TEST_CASE("children of a process with all GPUs are Blink's, and so are theirs") {
    program p(4);
    std::vector<nccl::communicator*> made(4);
    split_all(p, p.comms, {0, 0, 1, 1}, made);
    CHECK(alive() == 3);
    CHECK(called(p, made, 8) == lines{"blink allreduce 8 among 2", "blink allreduce 8 among 2"});
    CHECK(called(p, p.comms, 3) == lines{"blink allreduce 3 among 4"});
    std::vector<nccl::communicator*> of_those(2);
    split_all(p, {made[2], made[3]}, {5, 5}, of_those);
    CHECK(called(p, of_those, 6) == lines{"blink allreduce 6 among 2"});
    std::vector<nccl::communicator*> with_gaps(4);
    split_all(p, of_those, {1, -1}, with_gaps); // one alone, and one without a color
    CHECK(alive() == 4);
    // NCCL's rule is that all ranks remain whose number is not named.
    std::vector<nccl::communicator*> remaining(3);
    p.blink.group_start();
    for (const std::size_t r : {0U, 2U, 3U}) {
        nccl::communicator*& child = remaining[r == 0 ? 0 : r - 1];
        CHECK(p.blink.shrink(comm(r), std::array{1}, false, &child, true, yes) == nccl::success);
        child = comm(50 + r);
        p.nccl.places[child] = {3, r == 0 ? 0 : static_cast<int>(r) - 1};
    }
    p.blink.group_end();
    (void)written().taken();
    CHECK(called(p, remaining, 7) == lines{"blink allreduce 7 among 3"});
    for (nccl::communicator* const c : remaining) { p.blink.end(c, interposer::ending::destroy, yes); }
    CHECK(alive() == 4);
}

TEST_CASE("children that a thread a rank makes are known once all are there, and nobody waits for other processes") {
    const folder here;
    settings s = choices(here);
    s.rendezvous_timeout = 1h;
    fake_nccl nccl;
    interposer blink(nccl, make_fake, make_part, s);
    std::array parents{comm(0), comm(1)};
    blink.init_all(parents.data(), 2, yes);
    for (const std::size_t r : {0U, 1U}) { nccl.places[comm(10 + r)] = {2, static_cast<int>(r)}; }
    std::array<nccl::communicator*, 2> made{};
    bool blocking = true;
    SUBCASE("both block") {}
    SUBCASE("one does not") { blocking = false; }
    std::latch both_came(2);
    std::vector<std::thread> threads;
    for (const std::size_t r : {0U, 1U}) {
        threads.emplace_back([&, r] {
            (void)blink.split(comm(r), 0, &made[r], r == 0 || blocking, [&] {
                made[r] = comm(10 + r);
                both_came.arrive_and_wait();
                return nccl::success;
            });
        });
    }
    for (std::thread& t : threads) { t.join(); }
    CHECK(alive() == (blocking ? 2 : 1));
    for (nccl::communicator* const c : {comm(0), comm(1), comm(10), comm(11)}) {
        blink.end(c, interposer::ending::destroy, yes);
    }
    CHECK(alive() == 0);
    (void)written().taken();
}
