// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A program on NCCL's interface with all GPUs in one process: every collective, type and operator, in and out of
// place, and the life of communicators. It prints what is right and what is not, the same with and without Blink.
// Status 77 where fewer than two GPUs are visible.
#include <cstdio>
#include <string>
#include <utility>

#include "gpus.hpp"

namespace {

using namespace preload_test;

enum class kind { allreduce, reduce, broadcast, bcast, allgather, reduce_scatter };

/// One collective on `count` elements a rank, against what the host makes of them.
bool is_right(const machine& m, kind k, data_type type, operation op, std::size_t count, bool in_place) {
    const std::size_t n = m.size(), size = bytes_of(type), root = count % n;
    const std::size_t in_count = k == kind::reduce_scatter ? count * n : count;
    const std::size_t out_count = k == kind::allgather ? count * n : count;
    const std::size_t larger = std::max(in_count, out_count) * size;
    const bool one_buffer = in_place || k == kind::bcast;
    const buffers in(n, larger), separate(n, larger);
    const buffers& out = one_buffer ? in : separate;
    const auto shard = [&](std::size_t r) { return one_buffer ? r * count * size : 0; };
    const auto in_at = [&](std::size_t r) { return in[r] + (k == kind::allgather ? shard(r) : 0); };
    const auto out_at = [&](std::size_t r) { return out[r] + (k == kind::reduce_scatter ? shard(r) : 0); };
    for (std::size_t r = 0; r < n; ++r) {
        std::vector<double> values(in_count);
        for (std::size_t i = 0; i < in_count; ++i) { values[i] = element(type, op, r, i); }
        in.write(r, static_cast<std::size_t>(in_at(r) - in[r]), encoded(type, values));
    }
    const int from = static_cast<int>(root);
    m.each([&](std::size_t r) {
        switch (k) {
        case kind::allreduce:
            return ncclAllReduce(in_at(r), out_at(r), count, type, op, m.comms[r], m.at(r));
        case kind::reduce:
            return ncclReduce(in_at(r), out_at(r), count, type, op, from, m.comms[r], m.at(r));
        case kind::broadcast:
            return ncclBroadcast(in_at(r), out_at(r), count, type, from, m.comms[r], m.at(r));
        case kind::bcast:
            return ncclBcast(in_at(r), count, type, from, m.comms[r], m.at(r));
        case kind::allgather:
            return ncclAllGather(in_at(r), out_at(r), count, type, m.comms[r], m.at(r));
        default:
            return ncclReduceScatter(in_at(r), out_at(r), count, type, op, m.comms[r], m.at(r));
        }
    });
    for (std::size_t r = 0; r < n; ++r) {
        if (k == kind::reduce && r != root) { continue; }
        const std::vector<double> values = decoded(type, out.read(r));
        const auto first = static_cast<std::size_t>(out_at(r) - out[r]) / size;
        for (std::size_t i = 0; i < out_count; ++i) {
            const bool copied = k == kind::broadcast || k == kind::bcast || k == kind::allgather;
            const std::size_t of = k == kind::allgather ? i / count : root;
            const double wanted = copied ? element(type, op, of, k == kind::allgather ? i % count : i)
                                         : combined(type, op, n, k == kind::reduce_scatter ? r * count + i : i);
            const bool same = copied ? values[first + i] == wanted : near(type, op, values[first + i], wanted);
            if (!same) {
                std::printf("rank %zu, element %zu: %g, expected %g\n", r, i, values[first + i], wanted);
                return false;
            }
        }
    }
    return true;
}

/// NCCL adds fp8 from version 2.24 on, on GPUs that can.
bool has_arithmetic(data_type type) {
    int version = 0, major = 0;
    check("ncclGetVersion", ncclGetVersion(&version));
    check("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    return type < float8e4m3 || (version >= 22400 && major >= 9);
}

void every_collective(const machine& m) {
    constexpr data_type types[] = {int8,    uint8,   int32,   uint32,   int64,      uint64,
                                   float16, float32, float64, bfloat16, float8e4m3, float8e5m2};
    constexpr const char* type_names[] = {"int8",    "uint8",   "int32",   "uint32",   "int64",      "uint64",
                                          "float16", "float32", "float64", "bfloat16", "float8e4m3", "float8e5m2"};
    constexpr const char* op_names[] = {"sum", "prod", "max", "min", "avg"};
    constexpr std::pair<kind, const char*> reductions[] = {
        {kind::allreduce, "allreduce"}, {kind::reduce, "reduce"}, {kind::reduce_scatter, "reduce_scatter"}};
    constexpr std::pair<kind, const char*> copies[] = {
        {kind::broadcast, "broadcast"}, {kind::bcast, "bcast"}, {kind::allgather, "allgather"}};
    const auto all_shapes = [&](kind k, data_type type, operation op) {
        bool right = true;
        for (const std::size_t count : {1U, 1021U, 100003U}) {
            for (const bool in_place : {false, true}) { right = right && is_right(m, k, type, op, count, in_place); }
        }
        return right;
    };
    for (const data_type type : types) {
        if (!has_arithmetic(type)) { continue; }
        for (const auto& [k, name] : reductions) {
            for (const operation op : {sum, prod, max, min, avg}) {
                attempt(std::string(name) + " " + op_names[op] + " of " + type_names[type],
                        [&] { return all_shapes(k, type, op); });
            }
        }
        for (const auto& [k, name] : copies) {
            attempt(std::string(name) + " of " + type_names[type], [&] { return all_shapes(k, type, sum); });
        }
    }
}

/// Sums of contributions times a factor: 1 of even ranks and 2 of odd ones, the one given by value, the other read on
/// the GPU when the call runs.
bool multiplies(const machine& m, data_type type) {
    constexpr std::size_t count = 3001;
    const std::size_t size = bytes_of(type);
    const buffers data(m.size(), count * size), factors(m.size(), 8);
    std::vector<operation> made(m.size());
    for (std::size_t r = 0; r < m.size(); ++r) {
        std::vector<double> values(count);
        for (std::size_t i = 0; i < count; ++i) { values[i] = static_cast<double>((i + r) % 2); }
        data.write(r, 0, encoded(type, values));
        std::vector<unsigned char> factor = encoded(type, {static_cast<double>(1 + r % 2)});
        factors.write(r, 0, factor);
        const bool on_device = r % 2 == 1;
        check("ncclRedOpCreatePreMulSum",
              ncclRedOpCreatePreMulSum(&made[r], on_device ? static_cast<void*>(factors[r]) : factor.data(), type,
                                       on_device ? scalar_device : scalar_host_immediate, m.comms[r]));
    }
    m.each([&](std::size_t r) { return ncclAllReduce(data[r], data[r], count, type, made[r], m.comms[r], m.at(r)); });
    for (std::size_t r = 0; r < m.size(); ++r) { check("ncclRedOpDestroy", ncclRedOpDestroy(made[r], m.comms[r])); }
    bool right = true;
    for (std::size_t r = 0; r < m.size(); ++r) {
        const std::vector<double> values = decoded(type, data.read(r));
        for (std::size_t i = 0; i < count; ++i) {
            double wanted = 0;
            for (std::size_t k = 0; k < m.size(); ++k) { wanted += static_cast<double>((i + k) % 2 * (1 + k % 2)); }
            right = right && values[i] == wanted;
        }
    }
    return right;
}

/// The mean of numbers whose sum is too large for a half.
bool averages_large_halves(const machine& m) {
    const buffers data(m.size(), 2000);
    for (std::size_t r = 0; r < m.size(); ++r) { data.write(r, 0, encoded(float16, std::vector<double>(1000, 60000))); }
    m.each([&](std::size_t r) { return ncclAllReduce(data[r], data[r], 1000, float16, avg, m.comms[r], m.at(r)); });
    for (std::size_t r = 0; r < m.size(); ++r) {
        for (const double x : decoded(float16, data.read(r))) {
            if (std::fabs(x - 60000) > 200) { return false; }
        }
    }
    return true;
}

/// Calls that follow one another on streams without a wait of the host, on two sets of communicators.
bool keeps_order(const machine& m, const machine& other) {
    constexpr std::size_t count = 1 << 20;
    constexpr int rounds = 20;
    const buffers data(m.size(), count * 4);
    for (std::size_t r = 0; r < m.size(); ++r) { data.write(r, 0, encoded(float32, std::vector<double>(count, 1))); }
    double wanted = 1;
    for (int round = 0; round < rounds; ++round) {
        const machine& with = round % 2 == 0 ? m : other;
        check("ncclGroupStart", ncclGroupStart());
        for (std::size_t r = 0; r < m.size(); ++r) {
            check("call",
                  ncclAllReduce(data[r], data[r], count, float32, round % 3 == 0 ? sum : max, with.comms[r], m.at(r)));
        }
        check("ncclGroupEnd", ncclGroupEnd());
        wanted *= round % 3 == 0 ? static_cast<double>(m.size()) : 1;
    }
    m.wait();
    for (std::size_t r = 0; r < m.size(); ++r) {
        if (std::ranges::count(decoded(float32, data.read(r)), wanted) != count) { return false; }
    }
    return true;
}

/// Blink's collective and NCCL's send and receive in one group.
bool mixes_with_send(const machine& m) {
    const buffers data(m.size(), 4096), sent(m.size(), 4096);
    for (std::size_t r = 0; r < m.size(); ++r) {
        data.write(r, 0, encoded(float32, std::vector<double>(1024, 1)));
        sent.write(r, 0, encoded(float32, std::vector<double>(1024, static_cast<double>(r))));
    }
    m.each([&](std::size_t r) {
        check("ncclAllReduce", ncclAllReduce(data[r], data[r], 1024, float32, sum, m.comms[r], m.at(r)));
        if (r == 0) { return ncclSend(sent[0], 1024, float32, 1, m.comms[0], m.at(0)); }
        return r == 1 ? ncclRecv(sent[1], 1024, float32, 0, m.comms[1], m.at(1)) : success;
    });
    return decoded(float32, sent.read(1)).back() == 0 &&
           decoded(float32, data.read(1)).back() == static_cast<double>(m.size());
}

/// Memory of pools, which peers may not touch unasked: NCCL's, and no crash.
bool takes_pool_memory(const machine& m) {
    std::vector<void*> memory(m.size());
    for (std::size_t r = 0; r < m.size(); ++r) {
        check("cudaSetDevice", cudaSetDevice(static_cast<int>(r)));
        check("cudaMallocAsync", cudaMallocAsync(&memory[r], 4096, m.streams[r]));
        check("cudaMemsetAsync", cudaMemsetAsync(memory[r], 0, 4096, m.streams[r]));
    }
    m.each([&](std::size_t r) { return ncclAllReduce(memory[r], memory[r], 1024, float32, sum, m.comms[r], m.at(r)); });
    for (std::size_t r = 0; r < m.size(); ++r) { check("cudaFreeAsync", cudaFreeAsync(memory[r], m.streams[r])); }
    m.wait();
    return true;
}

/// Ranks made one by one in a group, and communicators that come and go.
bool lives(int gpus) {
    for (int round = 0; round < 5; ++round) {
        unique_id id{};
        check("ncclGetUniqueId", ncclGetUniqueId(&id));
        std::vector<communicator*> comms(static_cast<std::size_t>(gpus));
        check("ncclGroupStart", ncclGroupStart());
        for (int r = 0; r < gpus; ++r) {
            check("cudaSetDevice", cudaSetDevice(r));
            check("ncclCommInitRank", ncclCommInitRank(&comms[static_cast<std::size_t>(r)], gpus, id, r));
        }
        check("ncclGroupEnd", ncclGroupEnd());
        const buffers data(comms.size(), 4096);
        check("ncclGroupStart", ncclGroupStart());
        for (std::size_t r = 0; r < comms.size(); ++r) {
            check("call", ncclAllReduce(data[r], data[r], 1024, int32, max, comms[r], nullptr));
        }
        check("ncclGroupEnd", ncclGroupEnd());
        for (communicator* c : comms) {
            result error = internal_error;
            check("ncclCommGetAsyncError", ncclCommGetAsyncError(c, &error));
            if (error != success) { return false; }
        }
        // The kernels may still run: destroying waits for them, aborting ends them.
        for (communicator* c : comms) { check("end", round % 2 == 0 ? ncclCommDestroy(c) : ncclCommAbort(c)); }
    }
    return true;
}

/// One number of each rank, added up on communicators of `comms`; rank r works on GPU `gpu_of(r)`.
template <class GpuOf>
bool adds(const std::vector<communicator*>& comms, const GpuOf& gpu_of) {
    const std::size_t n = comms.size();
    const buffers data(n, 4096);
    for (std::size_t g = 0; g < n; ++g) { data.write(g, 0, encoded(int32, std::vector<double>(1024, double(g + 1)))); }
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r < n; ++r) {
        check("call", ncclAllReduce(data[gpu_of(r)], data[gpu_of(r)], 1024, int32, sum, comms[r], nullptr));
    }
    check("ncclGroupEnd", ncclGroupEnd());
    bool right = true;
    for (std::size_t g = 0; g < n; ++g) {
        check("cudaSetDevice", cudaSetDevice(static_cast<int>(g)));
        check("cudaDeviceSynchronize", cudaDeviceSynchronize());
        right = decoded(int32, data.read(g)) == std::vector<double>(1024, double(n * (n + 1) / 2)) && right;
    }
    return right;
}

/// All ranks split off a communicator in which they stand in reverse; then all but the last one remain.
bool has_children(const machine& m) {
    const std::size_t n = m.size();
    std::vector<communicator*> turned(n);
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r < n; ++r) {
        const int key = static_cast<int>(n - r);
        check("ncclCommSplit", ncclCommSplit(m.comms[r], 3, key, &turned[n - 1 - r], nullptr));
    }
    check("ncclGroupEnd", ncclGroupEnd());
    bool right = adds(turned, [n](std::size_t r) { return n - 1 - r; });
    for (communicator* c : turned) { check("ncclCommDestroy", ncclCommDestroy(c)); }
    if (n < 3) { return right; }
    std::vector<communicator*> fewer(n - 1);
    int last = static_cast<int>(n) - 1;
    check("ncclGroupStart", ncclGroupStart());
    for (std::size_t r = 0; r + 1 < n; ++r) {
        check("ncclCommShrink", ncclCommShrink(m.comms[r], &last, 1, &fewer[r], nullptr, 0));
    }
    check("ncclGroupEnd", ncclGroupEnd());
    right = adds(fewer, [](std::size_t r) { return r; }) && right;
    for (communicator* c : fewer) { check("ncclCommDestroy", ncclCommDestroy(c)); }
    return right;
}

} // namespace

int main() {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus < 2) {
        std::printf("skipped: two GPUs are needed, %d are visible\n", gpus);
        return 77;
    }
    gpus = std::min(gpus, 8);
    machine m(gpus);
    machine other(gpus);
    every_collective(m);
    for (const data_type type : {int8, int32, uint64, float16, float32, float64, bfloat16, float8e4m3, float8e5m2}) {
        if (!has_arithmetic(type)) { continue; }
        attempt("factors of type " + std::to_string(type), [&] { return multiplies(m, type); });
    }
    attempt("the average of large halves", [&] { return averages_large_halves(m); });
    attempt("calls on two sets of communicators keep their order", [&] { return keeps_order(m, other); });
    attempt("a collective beside a send and a receive", [&] { return mixes_with_send(m); });
    attempt("memory of a pool", [&] { return takes_pool_memory(m); });
    attempt("communicators that are split off and shrunk", [&] { return has_children(m); });
    m.destroy();
    other.destroy();
    attempt("communicators come and go", [&] { return lives(gpus); });
    std::printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
