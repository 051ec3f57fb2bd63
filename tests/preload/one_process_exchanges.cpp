// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with all GPUs in one process: AlltoAll, Gather, Scatter, sends and receives, alone and
// beside collectives, and calls in CUDA graphs. It prints what is right and what is not, the same with and without
// Blink. Status 77 where fewer than two GPUs are visible.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "gpus.hpp"
#include "shards.hpp"

namespace {

using namespace preload_test;

/// Shards of `count` elements: each of the three calls, the rooted ones with each root, in place too.
bool shards_move(const machine& m, data_type type, std::size_t count) {
    const std::size_t n = m.size(), shard = count * bytes_of(type);
    const buffers in(n, n * shard), out(n, n * shard);
    for (std::size_t r = 0; r < n; ++r) { in.write(r, 0, pattern(r, 0, n * shard)); }
    m.each([&](std::size_t r) { return ncclAlltoAll(in[r], out[r], count, type, m.comms[r], m.at(r)); });
    bool right = true;
    for (std::size_t r = 0; r < n; ++r) { right = out.read(r) == after_alltoall(n, r, shard) && right; }
    for (std::size_t root = 0; root < n; ++root) {
        const int to = static_cast<int>(root);
        m.each([&](std::size_t r) { return ncclGather(in[r], out[r], count, type, to, m.comms[r], m.at(r)); });
        right = out.read(root) == after_gather(n, shard) && right;
        m.each([&](std::size_t r) { return ncclScatter(in[r], out[r], count, type, to, m.comms[r], m.at(r)); });
        for (std::size_t r = 0; r < n; ++r) { right = holds(out.read(r), 0, after_scatter(root, r, shard)) && right; }
        // The root's own shard lies where it goes to.
        in.write(root, root * shard, pattern(root, 0, shard));
        m.each([&](std::size_t r) {
            return ncclGather(r == root ? in[r] + r * shard : in[r], r == root ? in[r] : nullptr, count, type, to,
                              m.comms[r], m.at(r));
        });
        right = in.read(root) == after_gather(n, shard) && right;
        in.write(root, 0, pattern(root, 0, n * shard));
    }
    return right;
}

/// Each rank sends to each, also to itself, twice, another length each time; beside an AllReduce where asked.
bool sends_arrive(const machine& m, std::size_t count, bool beside) {
    const std::size_t n = m.size(), room = 2 * n * (count + 2 * n);
    const buffers in(n, room), out(n, room), sums(n, 4096);
    const auto length = [&](std::size_t from, std::size_t to, std::size_t k) { return count + (from + to + k) % 3; };
    const auto place = [&](std::size_t peer, std::size_t k) { return (2 * peer + k) * (count + 2 * n); };
    for (std::size_t r = 0; r < n; ++r) {
        in.write(r, 0, pattern(r, 0, room));
        sums.write(r, 0, encoded(int32, std::vector<double>(1024, 3)));
    }
    m.each([&](std::size_t r) {
        if (beside) { check("ncclAllReduce", ncclAllReduce(sums[r], sums[r], 1024, int32, sum, m.comms[r], m.at(r))); }
        for (std::size_t q = 0; q < n; ++q) {
            const int peer = static_cast<int>(q);
            for (std::size_t k = 0; k < 2; ++k) {
                check("ncclSend", ncclSend(in[r] + place(q, k), length(r, q, k), uint8, peer, m.comms[r], m.at(r)));
                check("ncclRecv", ncclRecv(out[r] + place(q, k), length(q, r, k), uint8, peer, m.comms[r], m.at(r)));
            }
        }
        return success;
    });
    bool right = true;
    for (std::size_t r = 0; r < n; ++r) {
        for (std::size_t q = 0; q < n; ++q) {
            for (std::size_t k = 0; k < 2; ++k) {
                right = holds(out.read(r), place(q, k), pattern(q, place(r, k), length(q, r, k))) && right;
            }
        }
        const double wanted = beside ? 3 * static_cast<double>(n) : 3;
        right = decoded(int32, sums.read(r)) == std::vector<double>(1024, wanted) && right;
    }
    return right;
}

/// A ring across two groups: what is sent in the first is received in the second. NCCL waits for both ends where it
/// opens a way, so each pair of neighbours has to have exchanged something by its hands before.
bool sends_cross_groups(const machine& m) {
    const std::size_t n = m.size();
    const buffers in(n, 5000), out(n, 5000);
    for (std::size_t r = 0; r < n; ++r) { in.write(r, 0, pattern(r, 0, 5000)); }
    const auto to = [&](std::size_t r) { return static_cast<int>((r + 1) % n); };
    const auto from = [&](std::size_t r) { return static_cast<int>((r + n - 1) % n); };
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r < n; ++r) { check("call", ncclSend(in[r], 100, uint8, to(r), m.comms[r], m.at(r))); }
    check("ncclGroupEnd", ncclGroupEnd());
    // They were short enough to be sent before anybody receives them.
    m.each([&](std::size_t r) {
        check("call", ncclSend(in[r] + 100, 900, uint8, to(r), m.comms[r], m.at(r)));
        check("call", ncclRecv(out[r], 100, uint8, from(r), m.comms[r], m.at(r)));
        return ncclRecv(out[r] + 100, 900, uint8, from(r), m.comms[r], m.at(r));
    });
    bool right = true;
    for (std::size_t r = 0; r < n; ++r) { right = holds(out.read(r), 0, pattern((r + n - 1) % n, 0, 1000)) && right; }
    return right;
}

/// A graph a GPU of an AllReduce and an AlltoAll, launched again and again between calls that no graph holds.
bool replays(const machine& m) {
    constexpr std::size_t count = 20011;
    constexpr int launches = 20;
    const std::size_t n = m.size();
    const buffers in(n, count * 4), eager(n, count * 4), from(n, n * 4000), to(n, n * 4000);
    for (std::size_t r = 0; r < n; ++r) {
        for (const buffers* b : {&in, &eager}) { b->write(r, 0, encoded(uint32, std::vector<double>(count, 1))); }
        from.write(r, 0, pattern(r, 0, n * 4000));
    }
    const auto sums = [&](const buffers& b) {
        check("ncclGroupStart", ncclGroupStart());
        for (std::size_t r = 0; r < n; ++r) {
            check("call", ncclAllReduce(b[r], b[r], count, uint32, sum, m.comms[r], m.at(r)));
        }
        check("ncclGroupEnd", ncclGroupEnd());
    };
    for (std::size_t r = 0; r < n; ++r) {
        check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
        check("cudaStreamBeginCapture", cudaStreamBeginCapture(m.streams[r], cudaStreamCaptureModeThreadLocal));
    }
    sums(in);
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r < n; ++r) {
        check("call", ncclAlltoAll(from[r], to[r], 1000, uint32, m.comms[r], m.at(r)));
    }
    check("ncclGroupEnd", ncclGroupEnd());
    // No graph is instantiated while another stream is captured, which forbids it.
    std::vector<cudaGraph_t> captured(n);
    std::vector<cudaGraphExec_t> graphs(n);
    for (std::size_t r = 0; r < n; ++r) {
        check("cudaStreamEndCapture", cudaStreamEndCapture(m.streams[r], &captured[r]));
    }
    for (std::size_t r = 0; r < n; ++r) {
        check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
        check("cudaGraphInstantiate", cudaGraphInstantiate(&graphs[r], captured[r], 0));
        check("cudaGraphDestroy", cudaGraphDestroy(captured[r]));
    }
    std::uint32_t factor = 1;
    for (int i = 0; i < launches; ++i) {
        for (std::size_t r = 0; r < n; ++r) {
            check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
            check("cudaGraphLaunch", cudaGraphLaunch(graphs[r], m.streams[r]));
        }
        sums(eager);
        factor *= static_cast<std::uint32_t>(n);
    }
    m.wait();
    bool right = true;
    for (std::size_t r = 0; r < n; ++r) {
        const std::vector<double> wanted(count, static_cast<double>(factor));
        right = decoded(uint32, in.read(r)) == wanted && decoded(uint32, eager.read(r)) == wanted && right;
        right = to.read(r) == after_alltoall(n, r, 4000) && right;
        check("cudaGraphExecDestroy", cudaGraphExecDestroy(graphs[r]));
    }
    return right;
}

/// Rank 0 is on the last GPU, and so on.
bool runs_backwards(int gpus) {
    constexpr std::size_t count = 100003;
    const auto n = static_cast<std::size_t>(gpus);
    std::vector<int> devices;
    for (int d = gpus - 1; d >= 0; --d) { devices.push_back(d); }
    std::vector<communicator*> comms(n);
    check("ncclCommInitAll", ncclCommInitAll(comms.data(), gpus, devices.data()));
    const buffers data(n, count * 4); // by GPU
    const auto at = [&](std::size_t r) { return data[n - 1 - r]; };
    for (std::size_t r = 0; r < n; ++r) {
        data.write(n - 1 - r, 0, encoded(int32, std::vector<double>(count, static_cast<double>(r + 1))));
    }
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r < n; ++r) {
        check("call", ncclAllReduce(at(r), at(r), count, int32, sum, comms[r], nullptr));
        check("call", ncclBroadcast(at(r), at(r), 1, int32, 1, comms[r], nullptr));
    }
    check("ncclGroupEnd", ncclGroupEnd());
    bool right = true;
    for (std::size_t r = 0; r < n; ++r) {
        check("cudaSetDevice", cudaSetDevice(devices[r]));
        check("cudaDeviceSynchronize", cudaDeviceSynchronize());
        right =
            decoded(int32, data.read(n - 1 - r)) == std::vector<double>(count, static_cast<double>(n * (n + 1) / 2)) &&
            right;
    }
    for (communicator* c : comms) { check("ncclCommDestroy", ncclCommDestroy(c)); }
    return right;
}

} // namespace

int main() {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus < 2) {
        std::printf("skipped: two GPUs are needed, %d are visible\n", gpus);
        return 77;
    }
    machine m(std::min(gpus, 8));
    every_shard(300007, [&](data_type type, std::size_t count) { return shards_move(m, type, count); });
    for (const std::size_t count : {1U, 1021U, 500009U}) {
        for (const bool beside : {false, true}) {
            attempt("sends of " + std::to_string(count) + " bytes" + (beside ? " beside a collective" : ""),
                    [&] { return sends_arrive(m, count, beside); });
        }
    }
    attempt("a ring across groups", [&] { return sends_cross_groups(m); });
    attempt("sends behind it", [&] { return sends_arrive(m, 777, true); });
    attempt("graphs between calls that no graph holds", [&] { return replays(m); });
    m.destroy();
    attempt("ranks on the GPUs in reverse", [&] { return runs_backwards(std::min(gpus, 8)); });
    std::printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
