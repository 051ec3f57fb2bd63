// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with a process for each rank: every collective, type and operator, in and out of place,
// checked on each rank element by element; groups, streams, graphs, two communicators, and a rank that dies. The ranks
// share the GPUs that there are. Under libblink.so, and linked to alone_nccl.cpp, all of it is Blink's.
//
//     processes [RANKS, default 2] [all, alive or dies: without the rank that dies, or that alone]
//
// Status 77 where no GPU is visible.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "rank_processes.hpp"

namespace {

using namespace preload_test;

enum class kind { allreduce, reduce, broadcast, bcast, allgather, reduce_scatter };

/// One collective on `count` elements a rank, against what the host makes of them.
/// @param shift elements by which the buffers are displaced
bool is_right(const rank_state& s, kind k, data_type type, operation op, std::size_t count, bool in_place,
              std::size_t shift) {
    const std::size_t n = s.n, size = bytes_of(type), root = count % n;
    const std::size_t in_count = k == kind::reduce_scatter ? count * n : count;
    const std::size_t out_count = k == kind::allgather ? count * n : count;
    const bool one_buffer = in_place || k == kind::bcast;
    unsigned char* const in_base = s.in + shift * size;
    unsigned char* const out_base = one_buffer ? in_base : s.out + shift * size;
    const std::size_t shard = one_buffer ? s.own * count * size : 0;
    unsigned char* const from = in_base + (k == kind::allgather ? shard : 0);
    unsigned char* const to = out_base + (k == kind::reduce_scatter ? shard : 0);
    check("cudaMemset", cudaMemset(s.in, poison, s.bytes));
    check("cudaMemset", cudaMemset(s.out, poison, s.bytes));
    std::vector<double> values(in_count);
    for (std::size_t i = 0; i < in_count; ++i) { values[i] = element(type, op, s.own, i); }
    write(from, encoded(type, values));
    const int at_root = static_cast<int>(root);
    const auto call = [&] {
        switch (k) {
        case kind::allreduce:
            return ncclAllReduce(from, to, count, type, op, s.comm, s.at());
        case kind::reduce:
            return ncclReduce(from, to, count, type, op, at_root, s.comm, s.at());
        case kind::broadcast:
            return ncclBroadcast(from, to, count, type, at_root, s.comm, s.at());
        case kind::bcast:
            return ncclBcast(from, count, type, at_root, s.comm, s.at());
        case kind::allgather:
            return ncclAllGather(from, to, count, type, s.comm, s.at());
        default:
            return ncclReduceScatter(from, to, count, type, op, s.comm, s.at());
        }
    };
    check("call", call());
    s.wait();
    if (k == kind::reduce && s.own != root) { return true; }
    const std::vector<unsigned char> found = read(to, (out_count + 1) * size);
    const std::vector<double> results = decoded(type, found);
    const bool copied = k == kind::broadcast || k == kind::bcast || k == kind::allgather;
    for (std::size_t i = 0; i < out_count; ++i) {
        const double wanted = k == kind::allgather        ? element(type, op, i / count, i % count)
                              : copied                    ? element(type, op, root, i)
                              : k == kind::reduce_scatter ? combined(type, op, n, s.own * count + i)
                                                          : combined(type, op, n, i);
        if (copied ? results[i] == wanted : near(type, op, results[i], wanted)) { continue; }
        std::printf("rank %zu of %zu, element %zu of %zu: %g, expected %g\n", s.own, n, i, out_count, results[i],
                    wanted);
        return false;
    }
    // What lies behind the output is another shard of the input, or poison.
    const bool ends_in_poison = !(one_buffer && k == kind::reduce_scatter && s.own + 1 < n);
    return !ends_in_poison || std::all_of(found.end() - static_cast<std::ptrdiff_t>(size), found.end(),
                                          [](unsigned char b) { return b == poison; });
}

void every_collective(const rank_state& s) {
    constexpr const char* type_names[] = {"int8",    "uint8",   "int32",   "uint32",   "int64",      "uint64",
                                          "float16", "float32", "float64", "bfloat16", "float8e4m3", "float8e5m2"};
    constexpr const char* op_names[] = {"sum", "prod", "max", "min", "avg"};
    constexpr std::pair<kind, const char*> kinds[] = {
        {kind::allreduce, "allreduce"}, {kind::reduce, "reduce"},       {kind::reduce_scatter, "reduce_scatter"},
        {kind::broadcast, "broadcast"}, {kind::allgather, "allgather"}, {kind::bcast, "bcast"}};
    for (int t = 0; t < type_count; ++t) {
        const auto type = static_cast<data_type>(t);
        for (const auto& [k, name] : kinds) {
            const bool adds = k == kind::allreduce || k == kind::reduce || k == kind::reduce_scatter;
            for (const operation op : {sum, prod, max, min, avg}) {
                if (!adds && op != sum) { continue; }
                attempt(std::string(name) + (adds ? std::string(" ") + op_names[op] : "") + " of " + type_names[t],
                        [&] {
                            bool right = is_right(s, k, type, op, 1, false, 0);
                            right = is_right(s, k, type, op, 1021, true, 1) && right;
                            right = is_right(s, k, type, op, 1022, false, 3) && right;
                            return is_right(s, k, type, op, largest - 3, op == sum || op == min, 0) && right;
                        });
            }
        }
    }
}

/// Sums of contributions times a factor: 1 of even ranks and 2 of odd ones, the one given by value, the other read on
/// the GPU when the call runs.
bool multiplies(const rank_state& s, data_type type) {
    constexpr std::size_t count = 3001;
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) { values[i] = static_cast<double>((i + s.own) % 2); }
    write(s.in, encoded(type, values));
    std::vector<unsigned char> factor = encoded(type, {static_cast<double>(1 + s.own % 2)});
    write(s.out, factor);
    const bool on_device = s.own % 2 == 1;
    operation made{};
    check("ncclRedOpCreatePreMulSum",
          ncclRedOpCreatePreMulSum(&made, on_device ? static_cast<void*>(s.out) : factor.data(), type,
                                   on_device ? scalar_device : scalar_host_immediate, s.comm));
    check("ncclAllReduce", ncclAllReduce(s.in, s.in, count, type, made, s.comm, s.at()));
    check("ncclRedOpDestroy", ncclRedOpDestroy(made, s.comm));
    s.wait();
    values = decoded(type, read(s.in, count * bytes_of(type)));
    for (std::size_t i = 0; i < count; ++i) {
        double wanted = 0;
        for (std::size_t r = 0; r < s.n; ++r) { wanted += static_cast<double>((i + r) % 2 * (1 + r % 2)); }
        if (values[i] != wanted) { return false; }
    }
    return true;
}

/// Calls that follow one another on a stream without a wait of the host, on two communicators, alone and in groups.
bool keeps_order(const rank_state& s) {
    constexpr std::size_t count = 10007;
    write(s.in, encoded(float32, std::vector<double>(count, 1)));
    double wanted = 1;
    for (int round = 0; round < 12; ++round) {
        communicator* const with = round % 2 == 0 ? s.comm : s.second;
        const bool grouped = round % 4 < 2;
        const operation op = round % 3 == 0 ? sum : max;
        if (grouped) { check("ncclGroupStart", ncclGroupStart()); }
        check("ncclAllReduce", ncclAllReduce(s.in, s.in, count, float32, op, with, s.at()));
        if (grouped) { check("ncclGroupEnd", ncclGroupEnd()); }
        wanted *= op == sum ? static_cast<double>(s.n) : 1;
    }
    s.wait();
    const std::vector<double> found = decoded(float32, read(s.in, count * 4));
    return std::count(found.begin(), found.end(), wanted) == static_cast<std::ptrdiff_t>(count);
}

/// Two calls of one group on two streams, which the host has not waited for.
bool groups_streams(const rank_state& s) {
    constexpr std::size_t count = 4099;
    write(s.in, encoded(int32, std::vector<double>(count, 3)));
    write(s.out, encoded(int32, std::vector<double>(count, static_cast<double>(s.own))));
    check("ncclGroupStart", ncclGroupStart());
    check("ncclAllReduce", ncclAllReduce(s.in, s.in, count, int32, sum, s.comm, s.at()));
    check("ncclAllReduce", ncclAllReduce(s.out, s.out, count, int32, max, s.comm, reinterpret_cast<stream*>(s.beside)));
    check("ncclGroupEnd", ncclGroupEnd());
    s.wait();
    check("cudaStreamSynchronize", cudaStreamSynchronize(s.beside));
    const std::vector<double> sums = decoded(int32, read(s.in, count * 4));
    const std::vector<double> largest_ranks = decoded(int32, read(s.out, count * 4));
    return std::count(sums.begin(), sums.end(), static_cast<double>(3 * s.n)) == static_cast<std::ptrdiff_t>(count) &&
           std::count(largest_ranks.begin(), largest_ranks.end(), static_cast<double>(s.n - 1)) ==
               static_cast<std::ptrdiff_t>(count);
}

/// Calls of nothing, also in a group.
bool does_nothing(const rank_state& s) {
    check("ncclAllReduce", ncclAllReduce(nullptr, nullptr, 0, float32, sum, s.comm, s.at()));
    check("ncclGroupStart", ncclGroupStart());
    check("ncclGroupEnd", ncclGroupEnd());
    s.wait();
    return true;
}

/// Sums in place on uint32, of which `multiplications` leave values * ranks^multiplications, modulo 2^32.
bool is_multiplied(const unsigned char* at, std::size_t count, std::size_t ranks, int multiplications) {
    std::uint32_t factor = 1;
    for (int i = 0; i < multiplications; ++i) { factor *= static_cast<std::uint32_t>(ranks); }
    const std::vector<unsigned char> bytes = read(at, count * 4);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t found = 0;
        std::memcpy(&found, bytes.data() + 4 * i, 4);
        if (found != static_cast<std::uint32_t>(1 + i % 13) * factor) { return false; }
    }
    return true;
}

/// A graph of calls on two streams, the first ones that this communicator makes, is launched again and again on either
/// stream with calls between that no graph holds; the host never waits in between.
bool replays(const rank_state& s) {
    constexpr std::size_t count = 20011, rounds = 6, launches = 25;
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) { values[i] = static_cast<double>(1 + i % 13); }
    unsigned char* const eager = s.in + 2 * count * 4;
    const auto sum_on = [&](unsigned char* at, std::size_t elements, cudaStream_t where) {
        check("ncclAllReduce",
              ncclAllReduce(at, at, elements, uint32, sum, s.second, reinterpret_cast<stream*>(where)));
    };
    cudaEvent_t forked = nullptr, joined = nullptr;
    check("cudaEventCreate", cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
    check("cudaEventCreate", cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    check("cudaStreamBeginCapture", cudaStreamBeginCapture(s.on, cudaStreamCaptureModeGlobal));
    check("cudaEventRecord", cudaEventRecord(forked, s.on));
    check("cudaStreamWaitEvent", cudaStreamWaitEvent(s.beside, forked, 0));
    sum_on(s.in, count, s.on);
    sum_on(s.out, count, s.beside); // the program lets the two run at once
    sum_on(s.in, 3, s.on);
    check("cudaEventRecord", cudaEventRecord(joined, s.beside));
    check("cudaStreamWaitEvent", cudaStreamWaitEvent(s.on, joined, 0));
    check("cudaStreamEndCapture", cudaStreamEndCapture(s.on, &graph));
    check("cudaGraphInstantiate", cudaGraphInstantiate(&ready, graph, 0));
    bool right = true;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (unsigned char* const at : {s.in, s.out, eager}) { write(at, encoded(uint32, values)); }
        for (std::size_t i = 0; i < launches; ++i) {
            check("cudaGraphLaunch", cudaGraphLaunch(ready, i % 2 == 0 ? s.on : s.beside));
            sum_on(eager, count, i % 3 == 0 ? s.on : s.beside);
        }
        check("cudaDeviceSynchronize", cudaDeviceSynchronize());
        right = is_multiplied(s.in, 3, s.n, 2 * launches) && is_multiplied(s.out, count, s.n, launches) &&
                is_multiplied(eager, count, s.n, launches) && right;
    }
    check("cudaGraphExecDestroy", cudaGraphExecDestroy(ready));
    check("cudaGraphDestroy", cudaGraphDestroy(graph));
    check("cudaEventDestroy", cudaEventDestroy(forked));
    check("cudaEventDestroy", cudaEventDestroy(joined));
    return right;
}

/// The last rank ends without a word; the others hear of it, and can free their communicators.
bool survives(const rank_state& s) {
    constexpr std::size_t count = 1 << 20;
    check("ncclAllReduce", ncclAllReduce(s.in, s.in, count, int32, max, s.comm, s.at()));
    s.wait();
    if (s.own + 1 == s.n) {
        std::fflush(stdout);
        std::_Exit(failures == 0 ? 0 : 1);
    }
    (void)ncclAllReduce(s.in, s.in, count, int32, max, s.comm, s.at());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    result error = success;
    while (error == success && std::chrono::steady_clock::now() < end) {
        check("ncclCommGetAsyncError", ncclCommGetAsyncError(s.comm, &error));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    s.wait(); // the kernel has left
    const result later = ncclAllReduce(s.in, s.in, count, int32, max, s.comm, s.at());
    return error == remote_error && later == remote_error && ncclCommAbort(s.comm) == success;
}

int run(int rank, int ranks, const rank_ids& ids, const std::string& what) {
    if (what != "dies") {
        const rank_state s(rank, ranks, ids[0], ids[1]);
        attempt("graphs between calls that no graph holds", [&] { return replays(s); });
        every_collective(s);
        for (const data_type t : {float32, float64, float16, bfloat16, int32}) {
            attempt("sum times a factor, type " + std::to_string(t), [&] { return multiplies(s, t); });
        }
        attempt("calls on one stream and two communicators", [&] { return keeps_order(s); });
        attempt("one group on two streams", [&] { return groups_streams(s); });
        attempt("calls of no elements", [&] { return does_nothing(s); });
        check("ncclCommDestroy", ncclCommDestroy(s.second));
        check("ncclCommDestroy", ncclCommDestroy(s.comm));
        check("cudaFree", cudaFree(s.in));
        check("cudaFree", cudaFree(s.out));
    }
    if (what == "alive") { return failures == 0 ? 0 : 1; }
    const rank_state again(rank, ranks, ids[2], ids[3]);
    attempt("a rank that dies", [&] { return survives(again); });
    return failures == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const int ranks = argc > 1 ? std::atoi(argv[1]) : 2;
    const std::string what = argc > 2 ? argv[2] : "all";
    if (ranks < 2 || (what != "all" && what != "alive" && what != "dies")) {
        std::fprintf(stderr, "expected two ranks or more, and all, alive or dies\n");
        return 2;
    }
    return in_processes(ranks, [&](int rank, const rank_ids& ids) { return run(rank, ranks, ids, what); });
}
