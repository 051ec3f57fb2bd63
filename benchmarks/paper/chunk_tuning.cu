// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How MIAD finds a chunk size inside the running collectives: a broadcast among four GPUs of a DGX-1V over emulated
/// links, call after call, and beside it a graph that is replayed, in which the GPUs search, and the best of fixed
/// sizes. Writes a CSV line for each call.
#include <blink/communicator/emulated_group.cuh>
#include <blink/schedule/miad.hpp>
#include <blink/topology/machines.hpp>

#include <cstddef>
#include <memory>
#include <ostream>
#include <vector>

#include "emulated_bench.cuh"

namespace {

constexpr std::size_t bytes = std::size_t{256} << 20;
constexpr int learning_calls = 60;

constexpr blink::miad_options options{.start = 4 << 10, .smallest = 4 << 10, .largest = 4 << 20};

/// Remembers what it was told last, and passes it on.
struct watched_miad {
    std::size_t chunk_bytes(std::size_t lane_bytes) const { return miad.chunk_bytes(lane_bytes); }
    void observe(std::size_t size, double seconds) {
        GBps = static_cast<double>(size) / (seconds * 1e9);
        miad.observe(size, seconds);
    }

    blink::miad_chunk miad{options};
    double GBps = 0;
};

/// The same without learning, for a size that is given.
struct watched_fixed {
    std::size_t chunk_bytes(std::size_t /*lane_bytes*/) const { return size; }
    void observe(std::size_t of, double seconds) { GBps.push_back(static_cast<double>(of) / (seconds * 1e9)); }

    std::size_t size = 0;
    std::vector<double> GBps;
};

class broadcasts {
  public:
    broadcasts() {
        for (int r = 0; r < group_.size(); ++r) {
            in_.fill(r, static_cast<float>(r));
            from_.push_back(in_[r]);
            to_.push_back(out_[r]);
        }
    }

    void run(const blink::chunk_choice& chunk) {
        enqueue(chunk);
        group_.synchronize();
    }

    /// Replays a call in a graph: `after(seconds, what its search has come to)`.
    template <class After>
    void replay(const blink::chunk_choice& chunk, int times, const After& after) {
        const cudaStream_t stream = group_.stream(0);
        cudaGraph_t graph = nullptr;
        blink::cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
        enqueue(chunk);
        blink::cuda::check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
        cudaGraphExec_t ready = nullptr;
        blink::cuda::check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
        blink::cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
        cudaEvent_t begun = nullptr;
        cudaEvent_t ended = nullptr;
        blink::cuda::check(cudaEventCreate(&begun), "cudaEventCreate");
        blink::cuda::check(cudaEventCreate(&ended), "cudaEventCreate");
        for (int i = 0; i < times; ++i) {
            blink::cuda::check(cudaEventRecord(begun, stream), "cudaEventRecord");
            blink::cuda::check(cudaGraphLaunch(ready, stream), "cudaGraphLaunch");
            blink::cuda::check(cudaEventRecord(ended, stream), "cudaEventRecord");
            group_.synchronize();
            float ms = 0;
            blink::cuda::check(cudaEventElapsedTime(&ms, begun, ended), "cudaEventElapsedTime");
            after(static_cast<double>(ms) * 1e-3, group_.learnt_chunks().back());
        }
        blink::cuda::check(cudaEventDestroy(begun), "cudaEventDestroy");
        blink::cuda::check(cudaEventDestroy(ended), "cudaEventDestroy");
        blink::cuda::check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
    }

  private:
    void enqueue(const blink::chunk_choice& chunk) {
        group_.run<float>(blink::collective::broadcast, 0, from_, to_, in_.count(), blink::no_operator{},
                          {.chunk = chunk});
    }

    blink::emulated_group group_{{.machine = blink::topology(blink::dgx1v), .gpus = {0, 1, 2, 3}, .virtual_ranks = 4}};
    blink::rank_buffers<float> in_ = group_.make_buffers<float>(bytes / sizeof(float));
    blink::rank_buffers<float> out_ = group_.make_buffers<float>(bytes / sizeof(float));
    std::vector<const float*> from_;
    std::vector<float*> to_;
};

} // namespace

int main(int argc, char** argv) {
    return blink_paper::emulated_main(
        argc, argv, {"policy,call,chunk_bytes,GBps,settled"}, [](std::ostream& csv, std::size_t /*largest*/) {
            broadcasts b;
            b.run({});
            const auto learning = std::make_shared<watched_miad>();
            for (int call = 0; call < learning_calls; ++call) {
                const std::size_t chunk = learning->chunk_bytes(bytes);
                const bool settled = learning->miad.settled();
                b.run(learning);
                csv << "miad," << call << ',' << chunk << ',' << learning->GBps << ',' << settled << '\n';
            }
            int call = 0;
            b.replay(blink::miad_chunk(options), 2 * learning_calls,
                     [&](double seconds, const blink::cuda::learnt_chunk& found) {
                         csv << "graph," << call++ << ',' << found.chunk_bytes << ','
                             << blink::rate_GBps(static_cast<double>(bytes), seconds) << ',' << found.settled << '\n';
                     });
            for (std::size_t size = 4 << 10; size <= 4 << 20; size *= 2) {
                const auto fixed = std::make_shared<watched_fixed>(watched_fixed{size, {}});
                for (int call = 0; call < 10; ++call) { b.run(fixed); }
                for (std::size_t call = 0; call < fixed->GBps.size(); ++call) {
                    csv << "fixed," << call << ',' << size << ',' << fixed->GBps[call] << ",1\n";
                }
            }
        });
}
