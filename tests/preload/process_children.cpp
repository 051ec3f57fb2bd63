// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with a process for each rank: a communicator of several ids, one that is split off it,
// and those that remain when a rank is left out, while it lives and after it has died. The ranks share the GPUs that
// there are. Under libblink.so, and linked to alone_nccl.cpp, all of it is Blink's.
//
//     process_children [RANKS, default 3; of two only one remains, which has nobody to talk to]
//
// Status 77 where no GPU is visible.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "rank_processes.hpp"

namespace {

using namespace preload_test;

/// An AllReduce of each rank's number in the parent, plus one, on a communicator of the first `ranks` of them.
bool adds(const rank_state& s, communicator* comm, std::size_t ranks) {
    constexpr std::size_t count = 10007;
    write(s.in, encoded(int32, std::vector<double>(count, static_cast<double>(s.own + 1))));
    check("ncclAllReduce", ncclAllReduce(s.in, s.out, count, int32, sum, comm, s.at()));
    s.wait();
    const double wanted = static_cast<double>(ranks * (ranks + 1) / 2);
    return decoded(int32, read(s.out, count * 4)) == std::vector<double>(count, wanted);
}

bool is_at(communicator* comm, std::size_t rank, std::size_t ranks) {
    int own = -1, all = -1;
    check("ncclCommUserRank", ncclCommUserRank(comm, &own));
    check("ncclCommCount", ncclCommCount(comm, &all));
    return own == static_cast<int>(rank) && all == static_cast<int>(ranks);
}

/// The parent without its last rank.
communicator* without_last(const rank_state& s, communicator* parent, int flags) {
    int last = static_cast<int>(s.n) - 1;
    communicator* made = nullptr;
    check("ncclCommShrink", ncclCommShrink(parent, &last, 1, &made, nullptr, flags));
    return made;
}

/// Twice without the last rank, which goes on as a part of the parent.
bool shrinks(const rank_state& s, communicator* parent) {
    bool right = true;
    for (int round = 0; round < 2; ++round) {
        if (s.own + 1 < s.n) {
            communicator* const made = without_last(s, parent, 0);
            right = is_at(made, s.own, s.n - 1) && adds(s, made, s.n - 1) && right;
            check("ncclCommDestroy", ncclCommDestroy(made));
        }
        right = adds(s, parent, s.n) && right;
    }
    return right;
}

/// The last rank ends while the others wait for it in a call, which they abort, and go on without it.
bool survives(const rank_state& s, communicator* parent) {
    if (s.own + 1 == s.n) {
        std::fflush(stdout);
        std::_Exit(failures == 0 ? 0 : 1);
    }
    (void)ncclAllReduce(s.in, s.in, 1 << 10, int32, max, parent, s.at()); // it may know of the end by now
    communicator* const made = without_last(s, parent, shrink_abort);
    s.wait();
    const bool right = adds(s, made, s.n - 1);
    check("ncclCommDestroy", ncclCommDestroy(made));
    return ncclCommAbort(parent) == success && right;
}

int run(int rank, int ranks, const rank_ids& ids) {
    const rank_state s(rank, ranks, ids[0], ids[1]);
    unique_id both[] = {ids[2], ids[3]};
    communicator* of_both = nullptr;
    check("ncclCommInitRankScalable", ncclCommInitRankScalable(&of_both, ranks, rank, 2, both, nullptr));
    attempt("a communicator of two ids", [&] { return is_at(of_both, s.own, s.n) && adds(s, of_both, s.n); });
    communicator* split = nullptr;
    check("ncclCommSplit", ncclCommSplit(of_both, 7, rank, &split, nullptr));
    attempt("one that is split off it", [&] { return is_at(split, s.own, s.n) && adds(s, split, s.n); });
    check("ncclCommDestroy", ncclCommDestroy(split));
    if (ranks > 2) {
        attempt("what remains without the last rank", [&] { return shrinks(s, of_both); });
    }
    check("ncclCommDestroy", ncclCommDestroy(s.second));
    check("ncclCommDestroy", ncclCommDestroy(s.comm));
    if (ranks > 2) {
        attempt("what remains when the last rank has died", [&] { return survives(s, of_both); });
    } else {
        check("ncclCommDestroy", ncclCommDestroy(of_both));
    }
    return failures == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const int ranks = argc > 1 ? std::atoi(argv[1]) : 3;
    if (ranks < 2) {
        std::fprintf(stderr, "expected two ranks or more\n");
        return 2;
    }
    return in_processes(ranks, [&](int rank, const rank_ids& ids) { return run(rank, ranks, ids); });
}
