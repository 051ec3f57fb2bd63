// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A process as one rank of NCCL communicators, and processes for all ranks.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "cases.hpp"
#include "nccl_calls.hpp"
#include "values.hpp"

namespace preload_test {

inline constexpr int no_gpu = 77;
inline constexpr unsigned char poison = 0x5a;
inline constexpr std::size_t largest = 100003;

/// One rank: its communicator, stream and buffers, which are large enough for every case.
struct rank_state {
    rank_state(int rank, int ranks, const unique_id& id, const unique_id& second_id)
        : n(static_cast<std::size_t>(ranks)), own(static_cast<std::size_t>(rank)), bytes((n + 1) * largest * 8) {
        int gpus = 0;
        if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) { std::_Exit(no_gpu); }
        check("cudaSetDevice", cudaSetDevice(rank % gpus));
        check("cudaStreamCreate", cudaStreamCreateWithFlags(&on, cudaStreamNonBlocking));
        check("cudaStreamCreate", cudaStreamCreateWithFlags(&beside, cudaStreamNonBlocking));
        for (unsigned char** const buffer : {&in, &out}) {
            void* memory = nullptr;
            check("cudaMalloc", cudaMalloc(&memory, bytes));
            *buffer = static_cast<unsigned char*>(memory);
        }
        check("ncclCommInitRank", ncclCommInitRank(&comm, ranks, id, rank));
        check("ncclCommInitRank", ncclCommInitRank(&second, ranks, second_id, rank));
    }
    [[nodiscard]] stream* at() const { return reinterpret_cast<stream*>(on); }
    void wait() const { check("cudaStreamSynchronize", cudaStreamSynchronize(on)); }

    std::size_t n, own, bytes;
    cudaStream_t on = nullptr;
    cudaStream_t beside = nullptr;
    unsigned char* in = nullptr;
    unsigned char* out = nullptr;
    communicator* comm = nullptr;
    communicator* second = nullptr;
};

inline void write(unsigned char* to, const std::vector<unsigned char>& bytes) {
    check("cudaMemcpy", cudaMemcpy(to, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
    check("cudaDeviceSynchronize", cudaDeviceSynchronize());
}
inline std::vector<unsigned char> read(const unsigned char* from, std::size_t bytes) {
    std::vector<unsigned char> found(bytes);
    check("cudaMemcpy", cudaMemcpy(found.data(), from, bytes, cudaMemcpyDeviceToHost));
    return found;
}

/// What NCCL's ids are for is the caller's to say.
using rank_ids = std::array<unique_id, 4>;

/// Runs `rank(own rank, ids)` in a process for each rank. Its status is 0 where all is right.
/// @return the worst status of all, after a line about it
inline int in_processes(int ranks, const std::function<int(int, const rank_ids&)>& rank) {
    // NCCL's ids have to be made by a rank; a pipe brings them to the others.
    int ends[2];
    if (pipe(ends) != 0) { return 2; }
    std::vector<pid_t> children;
    for (int r = 0; r < ranks; ++r) {
        const pid_t child = fork();
        if (child < 0) { return 2; }
        if (child > 0) {
            children.push_back(child);
            continue;
        }
        own_rank = r;
        case_limit = std::chrono::seconds(120); // ranks on one GPU take turns
        rank_ids ids;
        if (r == 0) {
            for (unique_id& id : ids) { check("ncclGetUniqueId", ncclGetUniqueId(&id)); }
            for (int other = 1; other < ranks; ++other) { check("write", ::write(ends[1], &ids, sizeof ids) < 0); }
        } else {
            check("read", ::read(ends[0], &ids, sizeof ids) != static_cast<ssize_t>(sizeof ids));
        }
        const int status = rank(r, ids);
        std::fflush(stdout);
        std::_Exit(status);
    }
    int worst = 0;
    for (const pid_t child : children) {
        int status = 0;
        (void)waitpid(child, &status, 0);
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (worst == 0 || (worst == no_gpu && code != 0)) { worst = code; }
    }
    std::printf("%s\n", worst == 0 ? "all right" : worst == no_gpu ? "no GPU is visible" : "something went wrong");
    return worst;
}

} // namespace preload_test
