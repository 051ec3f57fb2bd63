// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long an AllReduce takes through NCCL's interface, and through Blink's own: call by call and in CUDA graphs, one
// process with all GPUs and one process a GPU. Run alone, the first way is NCCL; under libblink.so it is Blink behind
// that interface, and the difference between the two ways is what the interface costs.
//
//     timing [one|processes|all, default all] [LARGEST MiB, default 16]
//
// A line each: mode, way, bytes, microseconds a call, of these the host's until it has returned, and a call of a graph.
// Status 77 where fewer than two GPUs are visible.
#include <blink/allreduce.hpp>
#include <blink/communicator.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "nccl_calls.hpp"

namespace {

using blink::preload::nccl::communicator;
using blink::preload::nccl::stream;
using blink::preload::nccl::unique_id;

constexpr int no_gpus = 77;
constexpr int repeats = 9;
constexpr int calls_of_graph = 20;

void check(const char* what, int status) {
    if (status == 0) { return; }
    std::fprintf(stderr, "%s: status %d\n", what, status);
    std::_Exit(1);
}

/// A rank of this process.
struct place {
    explicit place(int device_number, std::size_t bytes) : device(device_number) {
        check("cudaSetDevice", cudaSetDevice(device));
        check("cudaStreamCreate", cudaStreamCreateWithFlags(&on, cudaStreamNonBlocking));
        check("cudaMalloc", cudaMalloc(&memory, bytes));
        check("cudaMemset", cudaMemset(memory, 0, bytes));
        check("cudaDeviceSynchronize", cudaDeviceSynchronize());
    }
    [[nodiscard]] float* data() const { return static_cast<float*>(memory); }

    int device;
    cudaStream_t on = nullptr;
    void* memory = nullptr;
};

/// Enqueues an AllReduce of `count` floats on every rank of this process.
using caller = std::function<void(std::size_t count)>;

void wait(const std::vector<place>& places) {
    for (const place& p : places) {
        check("cudaSetDevice", cudaSetDevice(p.device));
        check("cudaStreamSynchronize", cudaStreamSynchronize(p.on));
    }
}

double microseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// A graph of calls for each rank.
std::vector<cudaGraphExec_t> captured(const std::vector<place>& places, const caller& call, std::size_t count) {
    for (const place& p : places) {
        check("cudaSetDevice", cudaSetDevice(p.device));
        check("cudaStreamBeginCapture", cudaStreamBeginCapture(p.on, cudaStreamCaptureModeThreadLocal));
    }
    for (int i = 0; i < calls_of_graph; ++i) { call(count); }
    // No graph is instantiated while another stream is captured, which forbids it.
    std::vector<cudaGraph_t> graphs(places.size());
    std::vector<cudaGraphExec_t> ready(places.size());
    for (std::size_t r = 0; r < places.size(); ++r) {
        check("cudaStreamEndCapture", cudaStreamEndCapture(places[r].on, &graphs[r]));
    }
    for (std::size_t r = 0; r < places.size(); ++r) {
        check("cudaSetDevice", cudaSetDevice(places[r].device));
        check("cudaGraphInstantiate", cudaGraphInstantiate(&ready[r], graphs[r], 0));
        check("cudaGraphDestroy", cudaGraphDestroy(graphs[r]));
    }
    return ready;
}

double graph_time(const std::vector<place>& places, const caller& call, std::size_t count) {
    constexpr int launches = 5;
    const std::vector<cudaGraphExec_t> graphs = captured(places, call, count);
    const auto launch = [&] {
        for (std::size_t r = 0; r < places.size(); ++r) {
            check("cudaSetDevice", cudaSetDevice(places[r].device));
            check("cudaGraphLaunch", cudaGraphLaunch(graphs[r], places[r].on));
        }
    };
    launch();
    wait(places);
    std::vector<double> taken;
    for (int i = 0; i < repeats; ++i) {
        const auto start = std::chrono::steady_clock::now();
        for (int j = 0; j < launches; ++j) { launch(); }
        wait(places);
        taken.push_back(microseconds_since(start) / (launches * calls_of_graph));
    }
    for (cudaGraphExec_t g : graphs) { check("cudaGraphExecDestroy", cudaGraphExecDestroy(g)); }
    return median(taken);
}

/// A way to make a call.
struct way {
    const char* name;
    caller call;
};

/// Of each way the microseconds of a call, and of these the host's. The ways take turns, as a machine's speed changes.
std::vector<std::pair<double, double>> eager_times(const std::vector<place>& places, const std::vector<way>& ways,
                                                   std::size_t count) {
    const int calls = count > (1U << 18) ? 20 : 400;
    std::vector<std::vector<double>> all(ways.size()), host(ways.size());
    for (int i = 0; i < 2 * repeats; ++i) {
        for (std::size_t w = 0; w < ways.size(); ++w) {
            wait(places);
            const auto start = std::chrono::steady_clock::now();
            for (int j = 0; j < calls; ++j) { ways[w].call(count); }
            const double enqueued = microseconds_since(start) / calls;
            wait(places);
            if (i < repeats) { continue; } // loads kernels, opens connections, and wakes the processor up
            host[w].push_back(enqueued);
            all[w].push_back(microseconds_since(start) / calls);
        }
    }
    std::vector<std::pair<double, double>> times;
    for (std::size_t w = 0; w < ways.size(); ++w) { times.emplace_back(median(all[w]), median(host[w])); }
    return times;
}

/// All calls that no graph holds come first: who has captured calls orders the others by more than their streams.
void measure(const char* mode, bool tells, const std::vector<place>& places, const std::vector<way>& ways,
             std::size_t largest) {
    std::vector<std::vector<std::pair<double, double>>> eager;
    for (std::size_t bytes = 1024; bytes <= largest; bytes *= 4) {
        eager.push_back(eager_times(places, ways, bytes / sizeof(float)));
    }
    std::size_t bytes = 1024;
    for (const auto& times : eager) {
        for (std::size_t w = 0; w < ways.size(); ++w) {
            const double graph = graph_time(places, ways[w].call, bytes / sizeof(float));
            if (!tells) { continue; }
            std::printf("%-9s %-6s %10zu %10.2f %10.2f %10.2f\n", mode, ways[w].name, bytes, times[w].first,
                        times[w].second, graph);
            std::fflush(stdout);
        }
        bytes *= 4;
    }
}

stream* of_nccl(cudaStream_t s) { return reinterpret_cast<stream*>(s); }

int one_process(std::size_t largest) {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus < 2) { return no_gpus; }
    std::vector<place> places;
    for (int r = 0; r < gpus; ++r) { places.emplace_back(r, largest); }
    std::vector<communicator*> comms(places.size());
    check("ncclCommInitAll", ncclCommInitAll(comms.data(), gpus, nullptr));
    blink::group_options choices;
    choices.ranks = gpus;
    blink::cuda_group group(choices);
    std::vector<float*> buffers;
    for (const place& p : places) {
        group.use_stream(p.device, p.on);
        buffers.push_back(p.data());
    }
    const auto through_nccl = [&](std::size_t count) {
        check("ncclGroupStart", ncclGroupStart());
        for (std::size_t r = 0; r < places.size(); ++r) {
            const place& p = places[r];
            check("ncclAllReduce", ncclAllReduce(p.memory, p.memory, count, float32, sum, comms[r], of_nccl(p.on)));
        }
        check("ncclGroupEnd", ncclGroupEnd());
    };
    const auto through_headers = [&](std::size_t count) {
        blink::allreduce(group, buffers, buffers, count, blink::sum{});
    };
    measure("one", true, places, {{"nccl", through_nccl}, {"header", through_headers}}, largest);
    for (communicator* c : comms) { check("ncclCommDestroy", ncclCommDestroy(c)); }
    return 0;
}

int process_of(int rank, int ranks, const unique_id& id, const std::string& meeting, std::size_t largest) {
    const std::vector<place> places{place(rank, largest)};
    const place& own = places.front();
    communicator* comm = nullptr;
    check("ncclCommInitRank", ncclCommInitRank(&comm, ranks, id, rank));
    blink::communicator header(rank, ranks, blink::rendezvous(meeting));
    const auto through_nccl = [&](std::size_t count) {
        check("ncclAllReduce", ncclAllReduce(own.memory, own.memory, count, float32, sum, comm, of_nccl(own.on)));
    };
    const auto through_headers = [&](std::size_t count) {
        blink::allreduce(header, own.data(), own.data(), count, blink::sum{}, own.on);
    };
    measure("processes", rank == 0, places, {{"nccl", through_nccl}, {"header", through_headers}}, largest);
    check("ncclCommDestroy", ncclCommDestroy(comm));
    return 0;
}

/// Runs `work` in a process of its own, since a CUDA context does not survive a fork.
pid_t spawn(const std::function<int()>& work) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child != 0) { return child; }
    int status = 1;
    try {
        status = work();
    } catch (const std::exception& e) { std::fprintf(stderr, "%s\n", e.what()); }
    std::fflush(stdout);
    std::_Exit(status);
}

int ended(pid_t child) {
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int in_processes(std::size_t largest) {
    const int gpus = ended(spawn([] {
        int count = 0;
        return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
    }));
    if (gpus < 2) { return no_gpus; }
    int ends[2];
    if (pipe(ends) != 0) { return 1; }
    const std::string meeting = "file:/tmp/blink-timing-" + std::to_string(getpid());
    std::vector<pid_t> children;
    for (int r = 0; r < gpus; ++r) {
        children.push_back(spawn([&, r] {
            unique_id id{};
            if (r == 0) {
                check("ncclGetUniqueId", ncclGetUniqueId(&id));
                for (int other = 1; other < gpus; ++other) { check("write", ::write(ends[1], &id, sizeof id) < 0); }
            } else {
                check("read", ::read(ends[0], &id, sizeof id) != static_cast<ssize_t>(sizeof id));
            }
            return process_of(r, gpus, id, meeting, largest);
        }));
    }
    int worst = 0;
    for (const pid_t child : children) { worst = std::max(worst, ended(child)); }
    return worst;
}

} // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "all";
    const std::size_t largest = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 16) << 20;
    if (largest < 1024 || (mode != "one" && mode != "processes" && mode != "all")) {
        std::fprintf(stderr, "timing [one|processes|all] [LARGEST MiB]\n");
        return 2;
    }
    std::printf("%-9s %-6s %10s %10s %10s %10s\n", "mode", "way", "bytes", "us", "us of host", "us in graph");
    int worst = 0;
    if (mode != "processes") {
        worst = ended(spawn([&] { return one_process(largest); }));
    }
    if (mode != "one" && worst == 0) { worst = in_processes(largest); }
    if (worst == no_gpus) { std::printf("skipped: two GPUs are needed\n"); }
    return worst;
}
