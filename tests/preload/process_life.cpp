// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with a process for each rank: communicators that are made, used once and destroyed, one
// after another, a thousand times. The ranks share the GPUs that there are.
//
//     process_life [RANKS, default 2 [TIMES, default 1000 [SECONDS in which fewer will do]]]
//
// Status 77 where no GPU is visible.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <thread>

#include "rank_processes.hpp"

namespace {

using namespace preload_test;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t count = 1021;

/// What rank 0 tells the others in memory that all of them have.
struct board {
    std::atomic<int> round; ///< whose id is there; below 0: there is no other
    std::atomic<int> read;  ///< ranks that have it
    unique_id id;
};

/// The id of round `i`; none where rank 0 ends it.
bool meet(board& b, int i, bool goes_on, int rank, int ranks) {
    if (rank == 0) {
        if (goes_on) { check("ncclGetUniqueId", ncclGetUniqueId(&b.id)); }
        b.read = 0;
        b.round = goes_on ? i : -1;
    }
    while (b.round >= 0 && b.round != i) { std::this_thread::yield(); }
    if (b.round < 0) { return false; }
    ++b.read;
    while (rank == 0 && b.read < ranks) { std::this_thread::yield(); }
    return true;
}

std::size_t free_bytes() {
    std::size_t free = 0, all = 0;
    check("cudaMemGetInfo", cudaMemGetInfo(&free, &all));
    return free;
}

int run(board& b, int rank, int ranks, int times, double seconds, const rank_ids& ids) {
    const rank_state s(rank, ranks, ids[0], ids[1]);
    const double wanted = ranks * (ranks + 1) / 2.0;
    int made = 0;
    std::size_t before = 0;
    attempt("communicators one after another", [&] {
        bool right = true;
        const auto begin = clock_type::now();
        const auto passed = [&] { return std::chrono::duration<double>(clock_type::now() - begin).count(); };
        while (meet(b, made + 1, made < times && passed() < seconds, rank, ranks)) {
            communicator* comm = nullptr;
            check("ncclCommInitRank", ncclCommInitRank(&comm, ranks, b.id, rank));
            write(s.in, encoded(int32, std::vector<double>(count, static_cast<double>(rank + 1))));
            check("ncclAllReduce", ncclAllReduce(s.in, s.out, count, int32, sum, comm, s.at()));
            s.wait();
            right = decoded(int32, read(s.out, count * 4)) == std::vector<double>(count, wanted) && right;
            check("ncclCommDestroy", ncclCommDestroy(comm));
            if (++made == 5) { before = free_bytes(); }
        }
        if (rank == 0) { std::printf("%d communicators in %.1f s\n", made, passed()); }
        return right && made >= std::min(times, 10);
    });
    // Other ranks on the same GPU may be about to free something, so only growth with the number counts.
    attempt("no memory is lost", [&] { return free_bytes() + (std::size_t{64} << 20) > before; });
    check("ncclCommDestroy", ncclCommDestroy(s.second));
    check("ncclCommDestroy", ncclCommDestroy(s.comm));
    return failures == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const int ranks = argc > 1 ? std::atoi(argv[1]) : 2;
    const int times = argc > 2 ? std::atoi(argv[2]) : 1000;
    const double seconds = argc > 3 ? std::atof(argv[3]) : 110;
    if (ranks < 2 || times < 1) {
        std::fprintf(stderr, "expected two ranks or more, and a number of times\n");
        return 2;
    }
    void* const shared = mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) { return 2; }
    board& b = *new (shared) board{};
    return in_processes(ranks, [&](int rank, const rank_ids& ids) { return run(b, rank, ranks, times, seconds, ids); });
}
