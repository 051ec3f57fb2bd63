// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with a process for each rank: AlltoAll, Gather and Scatter, alone, in groups and in a
// graph, buffers in pinned memory of the host, and four communicators at once. The ranks share the GPUs that there are.
// Under libblink.so, and linked to alone_nccl.cpp, all of it is Blink's.
//
//     process_exchanges [RANKS, default 2]
//
// Status 77 where no GPU is visible.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "rank_processes.hpp"
#include "shards.hpp"

namespace {

using namespace preload_test;

/// @param shift bytes by which the buffers are displaced
bool shards_move(const rank_state& s, data_type type, std::size_t count, std::size_t shift) {
    const std::size_t shard = count * bytes_of(type);
    unsigned char* const in = s.in + shift;
    unsigned char* const out = s.out + shift;
    write(in, pattern(s.own, 0, s.n * shard));
    check("ncclAlltoAll", ncclAlltoAll(in, out, count, type, s.comm, s.at()));
    s.wait();
    bool right = read(out, s.n * shard) == after_alltoall(s.n, s.own, shard);
    for (std::size_t root = 0; root < s.n; ++root) {
        const bool is_root = root == s.own;
        const int at = static_cast<int>(root);
        // The root's own shard lies where it goes to; the others have no output.
        unsigned char* const own = is_root ? out + s.own * shard : in;
        write(own, pattern(s.own, 0, shard));
        check("ncclGather", ncclGather(own, is_root ? out : nullptr, count, type, at, s.comm, s.at()));
        s.wait();
        right = (!is_root || read(out, s.n * shard) == after_gather(s.n, shard)) && right;
        write(in, pattern(s.own, 0, s.n * shard));
        check("ncclScatter", ncclScatter(is_root ? in : nullptr, out, count, type, at, s.comm, s.at()));
        s.wait();
        right = read(out, shard) == after_scatter(root, s.own, shard) && right;
    }
    return right;
}

/// An AllReduce and an AlltoAll in one group, and the same in a graph that is launched between calls outside of it.
bool groups_and_replays(const rank_state& s, bool captured) {
    constexpr std::size_t count = 5003;
    constexpr int rounds = 6;
    unsigned char* const shards = s.in + count * 4;
    write(s.in, encoded(uint32, std::vector<double>(count, 1)));
    write(shards, pattern(s.own, 0, s.n * 1024));
    const auto group = [&] {
        check("ncclGroupStart", ncclGroupStart());
        check("ncclAllReduce", ncclAllReduce(s.in, s.in, count, uint32, sum, s.comm, s.at()));
        check("ncclAlltoAll", ncclAlltoAll(shards, s.out, 1024, uint8, s.comm, s.at()));
        check("ncclGroupEnd", ncclGroupEnd());
    };
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    if (captured) {
        check("cudaStreamBeginCapture", cudaStreamBeginCapture(s.on, cudaStreamCaptureModeThreadLocal));
        group();
        check("cudaStreamEndCapture", cudaStreamEndCapture(s.on, &graph));
        check("cudaGraphInstantiate", cudaGraphInstantiate(&ready, graph, 0));
    }
    double factor = 1;
    for (int i = 0; i < rounds; ++i) {
        if (captured) { check("cudaGraphLaunch", cudaGraphLaunch(ready, s.on)); }
        group();
        factor *= static_cast<double>(captured ? s.n * s.n : s.n);
    }
    s.wait();
    bool right = decoded(uint32, read(s.in, count * 4)) == std::vector<double>(count, factor);
    right = read(s.out, s.n * 1024) == after_alltoall(s.n, s.own, 1024) && right;
    if (captured) {
        check("cudaGraphExecDestroy", cudaGraphExecDestroy(ready));
        check("cudaGraphDestroy", cudaGraphDestroy(graph));
    }
    return right;
}

/// One rank's buffers are in pinned memory of the host, those of the others on their GPUs.
bool takes_pinned_memory(const rank_state& s, std::size_t count) {
    const std::size_t size = count * 4;
    void* pinned = nullptr;
    check("cudaMallocHost", cudaMallocHost(&pinned, 2 * size));
    const bool on_host = s.own == 0;
    unsigned char* const in = on_host ? static_cast<unsigned char*>(pinned) : s.in;
    unsigned char* const out = on_host ? in + size : s.out;
    bool right = true;
    for (int round = 0; round < 3; ++round) {
        write(in, encoded(float32, std::vector<double>(count, static_cast<double>(s.own + 1))));
        check("ncclAllReduce", ncclAllReduce(in, out, count, float32, sum, s.comm, s.at()));
        s.wait();
        const double wanted = static_cast<double>(s.n * (s.n + 1) / 2);
        right = decoded(float32, read(out, size)) == std::vector<double>(count, wanted) && right;
        check("ncclBroadcast", ncclBroadcast(in, out, count, float32, 0, s.comm, s.at()));
        s.wait();
        right = decoded(float32, read(out, size)) == std::vector<double>(count, 1) && right;
    }
    check("cudaFreeHost", cudaFreeHost(pinned));
    return right;
}

/// Long calls of four communicators on a stream each, which become ready at the same time, again and again: a GPU has
/// not room for the kernels of all.
bool four_run_at_once(const rank_state& s, const rank_ids& ids) {
    constexpr std::size_t count = 4U << 20, busy_bytes = 64U << 20;
    constexpr int rounds = 25;
    struct line {
        communicator* comm = nullptr;
        cudaStream_t on = nullptr;
        void* memory = nullptr;
    };
    std::array<line, 4> lines;
    void* busy = nullptr;
    cudaEvent_t ready = nullptr;
    check("cudaMalloc", cudaMalloc(&busy, busy_bytes));
    check("cudaEventCreate", cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
    const std::vector<unsigned char> ones = encoded(uint32, std::vector<double>(count, 1));
    for (std::size_t i = 0; i < lines.size(); ++i) {
        line& l = lines[i];
        l.comm = i == 0 ? s.comm : s.second;
        if (i > 1) {
            check("ncclCommInitRank",
                  ncclCommInitRank(&l.comm, static_cast<int>(s.n), ids[i], static_cast<int>(s.own)));
        }
        check("cudaStreamCreate", cudaStreamCreateWithFlags(&l.on, cudaStreamNonBlocking));
        check("cudaMalloc", cudaMalloc(&l.memory, count * 4));
        write(static_cast<unsigned char*>(l.memory), ones);
    }
    std::uint32_t factor = 1;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 8; ++i) { check("cudaMemsetAsync", cudaMemsetAsync(busy, i, busy_bytes, s.on)); }
        check("cudaEventRecord", cudaEventRecord(ready, s.on));
        for (const line& l : lines) {
            check("cudaStreamWaitEvent", cudaStreamWaitEvent(l.on, ready, 0));
            check("ncclAllReduce",
                  ncclAllReduce(l.memory, l.memory, count, uint32, sum, l.comm, reinterpret_cast<stream*>(l.on)));
        }
        factor *= static_cast<std::uint32_t>(s.n);
    }
    bool right = true;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        check("cudaStreamSynchronize", cudaStreamSynchronize(lines[i].on));
        const std::vector<unsigned char> found = read(static_cast<unsigned char*>(lines[i].memory), count * 4);
        right = decoded(uint32, found) == std::vector<double>(count, static_cast<double>(factor)) && right;
        if (i > 1) { check("ncclCommDestroy", ncclCommDestroy(lines[i].comm)); }
        check("cudaStreamDestroy", cudaStreamDestroy(lines[i].on));
        check("cudaFree", cudaFree(lines[i].memory));
    }
    check("cudaEventDestroy", cudaEventDestroy(ready));
    check("cudaFree", cudaFree(busy));
    return right;
}

int run(int rank, int ranks, const rank_ids& ids) {
    const rank_state s(rank, ranks, ids[0], ids[1]);
    every_shard(largest,
                [&](data_type type, std::size_t count) { return shards_move(s, type, count, count % 2 == 0 ? 0 : 8); });
    attempt("an AllReduce and an AlltoAll in groups", [&] { return groups_and_replays(s, false); });
    attempt("the same in a graph", [&] { return groups_and_replays(s, true); });
    for (const std::size_t count : {1U, 1021U, 100003U}) {
        attempt(std::to_string(count) + " elements in pinned memory of rank 0",
                [&] { return takes_pinned_memory(s, count); });
    }
    attempt("four communicators at once", [&] { return four_run_at_once(s, ids); });
    check("ncclCommDestroy", ncclCommDestroy(s.second));
    check("ncclCommDestroy", ncclCommDestroy(s.comm));
    return failures == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const int ranks = argc > 1 ? std::atoi(argv[1]) : 2;
    if (ranks < 2) {
        std::fprintf(stderr, "expected two ranks or more\n");
        return 2;
    }
    return in_processes(ranks, [&](int rank, const rank_ids& ids) { return run(rank, ranks, ids); });
}
