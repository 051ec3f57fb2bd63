// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Ranks on GPUs: data are made and checked where they lie, time is taken by events on the stream of rank 0.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../measure.hpp"
#include "../nccl/nccl_peer.hpp"
#include "stopwatch.cuh"

namespace blink_perf {

/// Tells the index of an element that is not what `data` asks for.
template <class T>
struct wrong_at {
    pattern data;
    int rank;
    const T* values;
    __device__ bool operator()(std::size_t i) const { return differs(values[i], expected_value<T>(data, rank, i)); }
};

/// Tells the index of an element of which `is(value)` holds.
template <class T, class Is>
struct value_is {
    const T* values;
    Is is;
    __device__ bool operator()(std::size_t i) const { return is(values[i]); }
};

// Thrust's kernels would take longer to compile than all that is measured here; these are one loop each.

/// Element i of `to` becomes `make(i)`.
template <class T, class Make>
__global__ void tabulate(T* to, std::size_t n, const Make make) {
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) { to[i] = make(i); }
}

/// Adds to `total` for how many i below n `is(i)` holds.
template <class Is>
__global__ void add_count(std::size_t n, const Is is, unsigned long long* total) {
    const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
    unsigned long long own = 0;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) { own += is(i); }
    if (own > 0) { atomicAdd(total, own); }
}

/// For how many i below n `is(i)` holds, on the current device.
template <class Is>
[[nodiscard]] std::size_t counted(cudaStream_t stream, std::size_t n, const Is& is) {
    unsigned long long* total = nullptr;
    unsigned long long result = 0;
    blink::cuda::check(cudaMalloc(&total, sizeof *total), "cudaMalloc");
    const auto check = [total](cudaError_t status, const char* what) {
        if (status != cudaSuccess) { (void)cudaFree(total); }
        blink::cuda::check(status, what);
    };
    check(cudaMemsetAsync(total, 0, sizeof *total, stream), "cudaMemsetAsync");
    add_count<<<1024, 256, 0, stream>>>(n, is, total);
    check(cudaGetLastError(), "launch of a count");
    check(cudaMemcpyAsync(&result, total, sizeof result, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    blink::cuda::check(cudaFree(total), "cudaFree");
    return result;
}

/// @tparam Group a group whose ranks have streams and devices
template <class Group>
class gpu_backend {
  public:
    using samples = std::vector<double>;

    template <class... Arguments>
    explicit gpu_backend(const Arguments&... arguments) : group_(arguments...) {}

    /// Measures NCCL in turn from now on.
    void compare_with_nccl() {
        std::vector<int> devices;
        for (int r = 0; r < group_.size(); ++r) { devices.push_back(group_.device(r)); }
        peer_.emplace(devices);
    }

    [[nodiscard]] Group& group() noexcept { return group_; }
    [[nodiscard]] const Group& group() const noexcept { return group_; }
    [[nodiscard]] const std::optional<nccl_peer>& peer() const noexcept { return peer_; }

    template <class T, class Make>
    void fill(int rank, T* to, std::size_t n, const Make& make) {
        const blink::cuda::device_scope current(group_.device(rank));
        tabulate<<<1024, 256, 0, group_.stream(rank)>>>(to, n, make);
        blink::cuda::check(cudaGetLastError(), "launch of a fill");
        blink::cuda::check(cudaStreamSynchronize(group_.stream(rank)), "cudaStreamSynchronize");
    }

    template <class T, class Is>
    [[nodiscard]] std::size_t count_if(int rank, const T* from, std::size_t n, const Is& is) {
        const blink::cuda::device_scope current(group_.device(rank));
        return counted(group_.stream(rank), n, value_is<T, Is>{from, is});
    }

    template <class T>
    [[nodiscard]] std::size_t count_wrong(const pattern& data, const std::vector<T*>& out, std::size_t n) {
        std::size_t wrong = 0;
        for (int r = 0; r < group_.size(); ++r) {
            if (!holds_result(data, r)) { continue; }
            const blink::cuda::device_scope current(group_.device(r));
            wrong += counted(group_.stream(r), n, wrong_at<T>{data, r, out[static_cast<std::size_t>(r)]});
        }
        return wrong;
    }

    /// With NCCL, its calls and Blink's take turns.
    template <class T, class Call>
    [[nodiscard]] std::pair<samples, samples> time(const job& j, const std::vector<const T*>& in,
                                                   const std::vector<T*>& out, const Call& call) {
        std::vector<cudaStream_t> streams;
        for (int r = 0; r < group_.size(); ++r) { streams.push_back(group_.stream(r)); }
        const auto peer_call = [&] { peer_->run(j, in, out, streams); };
        for (int i = 0; i < j.warmup; ++i) {
            call();
            if (peer_) { peer_call(); }
        }
        group_.synchronize();
        if (j.graphs > 0) { return time_graphs(j, call, peer_call); }
        return j.blocking ? time_blocking(j, call, peer_call) : time_stream(j, call, peer_call);
    }

  private:
    /// Enqueues everything, with marks between the calls, and waits once.
    template <class Call, class PeerCall>
    std::pair<samples, samples> time_stream(const job& j, const Call& call, const PeerCall& peer_call) {
        stopwatch watch(group_.device(0), group_.stream(0));
        const int samples_taken = peer_ ? j.iterations : std::min(j.iterations, most_samples);
        std::vector<std::pair<std::size_t, int>> own; // mark before the calls, and how many they are
        std::size_t last = watch.mark();
        for (int sample = 0; sample < samples_taken; ++sample) {
            const int now = calls_in_sample(j.iterations, samples_taken, sample);
            own.emplace_back(last, now);
            for (int i = 0; i < now; ++i) { call(); }
            last = watch.mark();
            if (peer_) {
                peer_call();
                last = watch.mark();
            }
        }
        group_.synchronize();
        std::pair<samples, samples> result;
        for (const auto& [mark, calls] : own) {
            result.first.push_back(watch.between(mark, mark + 1) / calls);
            if (peer_) { result.second.push_back(watch.between(mark + 1, mark + 2)); }
        }
        return result;
    }

    template <class Call, class PeerCall>
    std::pair<samples, samples> time_blocking(const job& j, const Call& call, const PeerCall& peer_call) {
        const auto timed = [&](const auto& one) {
            const auto start = std::chrono::steady_clock::now();
            one();
            group_.synchronize();
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        };
        std::pair<samples, samples> result;
        for (int i = 0; i < j.iterations; ++i) {
            result.first.push_back(timed(call));
            if (peer_) { result.second.push_back(timed(peer_call)); }
        }
        return result;
    }

    /// Whether such a call takes copies when it is captured into one graph over all GPUs, which it then has to be.
    template <class Call>
    [[nodiscard]] bool takes_copies(const job& j, const Call& call) const {
        if (j.how != blink::protocol::automatic) { return j.how == blink::protocol::copies; }
        std::vector<lane_stream> streams = streams_of(group_);
        return streams.size() > 1 && recorded(std::move(streams), call, true).has_copies();
    }

    /// A graph holds all measured calls; each of its launches is a sample.
    template <class Call, class PeerCall>
    std::pair<samples, samples> time_graphs(const job& j, const Call& call, const PeerCall& peer_call) {
        const auto repeated = [&](const auto& one) {
            return [&one, &j] {
                for (int i = 0; i < j.iterations; ++i) { one(); }
            };
        };
        const recorded own(streams_of(group_), repeated(call), takes_copies(j, call));
        std::unique_ptr<recorded> peers;
        if (peer_) { peers = std::make_unique<recorded>(streams_of(group_), repeated(peer_call)); }
        own.launch();
        if (peers) { peers->launch(); }
        group_.synchronize();
        stopwatch watch(group_.device(0), group_.stream(0));
        std::vector<std::size_t> marks{watch.mark()};
        for (int g = 0; g < j.graphs; ++g) {
            own.launch();
            marks.push_back(watch.mark());
            if (!peers) { continue; }
            peers->launch();
            marks.push_back(watch.mark());
        }
        group_.synchronize();
        std::pair<samples, samples> result;
        for (std::size_t i = 0; i + 1 < marks.size(); ++i) {
            const double seconds = watch.between(marks[i], marks[i + 1]) / j.iterations;
            (peers && i % 2 == 1 ? result.second : result.first).push_back(seconds);
        }
        return result;
    }

    static constexpr int most_samples = 10;

    Group group_;
    std::optional<nccl_peer> peer_;
};

using cuda_backend = gpu_backend<blink::cuda_group>;

/// The GPU of each rank, a line a rank.
template <class Group>
[[nodiscard]] std::vector<std::string> gpu_lines(const Group& group) {
    std::vector<std::string> lines;
    for (int r = 0; r < group.size(); ++r) {
        const int device = group.device(r);
        cudaDeviceProp properties{};
        char bus[32] = "";
        blink::cuda::check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
        blink::cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, device), "cudaDeviceGetPCIBusId");
        lines.push_back(std::to_string(device) + " [" + bus + "] " + properties.name);
    }
    return lines;
}

/// `measure_type` for the integers and for numbers of one and two bytes; in files of their own, so that none compiles
/// too long.
[[nodiscard]] outcome measure_integers(cuda_backend& b, const job& j);
[[nodiscard]] outcome measure_narrow(cuda_backend& b, const job& j);

} // namespace blink_perf
