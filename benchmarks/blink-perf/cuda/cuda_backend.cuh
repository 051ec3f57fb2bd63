// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Ranks on GPUs, all of this process or one of several processes: data are made and checked where they lie.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <string>
#include <vector>

#include "../measure.hpp"
#include "gpu_clock.hpp"
#include "process_ranks.cuh"

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

/// True where this process drives `rank`.
template <class Group>
[[nodiscard]] bool drives(const Group& group, int rank) {
    if constexpr (requires { group.drives(rank); }) {
        return group.drives(rank);
    } else {
        return true;
    }
}

/// The ranks of a group that this process drives.
template <class Group>
[[nodiscard]] std::vector<driven_rank> driven_ranks(const Group& group) {
    std::vector<driven_rank> list;
    for (int r = 0; r < group.size(); ++r) {
        if (drives(group, r)) { list.push_back({r, group.device(r), group.stream(r)}); }
    }
    return list;
}

/// @tparam Group a group whose ranks have streams and devices; with `drives(rank)` where not all are of this process
template <class Group>
class gpu_backend {
  public:
    /// @param others outlives the backend
    template <class... Arguments>
    explicit gpu_backend(const company& others, const Arguments&... arguments)
        : group_(arguments...), clock_(driven_ranks(group_), group_.size(), others, [this] { group_.synchronize(); }) {}

    [[nodiscard]] Group& group() noexcept { return group_; }
    [[nodiscard]] const Group& group() const noexcept { return group_; }
    [[nodiscard]] gpu_clock& clock() noexcept { return clock_; }
    [[nodiscard]] const gpu_clock& clock() const noexcept { return clock_; }

    template <class T, class Make>
    void fill(int rank, T* to, std::size_t n, const Make& make) {
        if (!drives(group_, rank)) { return; }
        const blink::cuda::device_scope current(group_.device(rank));
        tabulate<<<1024, 256, 0, group_.stream(rank)>>>(to, n, make);
        blink::cuda::check(cudaGetLastError(), "launch of a fill");
        blink::cuda::check(cudaStreamSynchronize(group_.stream(rank)), "cudaStreamSynchronize");
    }

    template <class T, class Is>
    [[nodiscard]] std::size_t count_if(int rank, const T* from, std::size_t n, const Is& is) {
        if (!drives(group_, rank)) { return 0; }
        const blink::cuda::device_scope current(group_.device(rank));
        return counted(group_.stream(rank), n, value_is<T, Is>{from, is});
    }

    template <class T>
    [[nodiscard]] std::size_t count_wrong(const pattern& data, const std::vector<T*>& out, std::size_t n) {
        std::size_t wrong = 0;
        for (int r = 0; r < group_.size(); ++r) {
            if (!holds_result(data, r) || !drives(group_, r)) { continue; }
            const blink::cuda::device_scope current(group_.device(r));
            wrong += counted(group_.stream(r), n, wrong_at<T>{data, r, out[static_cast<std::size_t>(r)]});
        }
        return wrong;
    }

    template <class T, class Call>
    [[nodiscard]] timings time(const job& j, const std::vector<const T*>& in, const std::vector<T*>& out,
                               const Call& call) {
        const T factor = narrowed<T>(static_cast<wide<T>>(mulsum_factor));
        return clock_.time(j, {{in.begin(), in.end()}, {out.begin(), out.end()}}, &factor, call);
    }

  private:
    Group group_;
    gpu_clock clock_;
};

using cuda_backend = gpu_backend<blink::cuda_group>;
using process_backend = gpu_backend<process_ranks>;

/// The GPU of each rank that this process drives, a line a rank.
template <class Group>
[[nodiscard]] std::vector<std::string> gpu_lines(const Group& group) {
    std::vector<std::string> lines;
    for (const driven_rank& r : driven_ranks(group)) {
        cudaDeviceProp properties{};
        char bus[32] = "";
        blink::cuda::check(cudaGetDeviceProperties(&properties, r.device), "cudaGetDeviceProperties");
        blink::cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, r.device), "cudaDeviceGetPCIBusId");
        lines.push_back(std::to_string(r.device) + " [" + bus + "] " + properties.name);
    }
    return lines;
}

/// `measure_type` for integers, for numbers of one and two bytes, and for longer ones; in files of their own, so that
/// none compiles too long. Both backends share the kernels of a file.
[[nodiscard]] outcome measure_integers(cuda_backend& b, const job& j);
[[nodiscard]] outcome measure_integers(process_backend& b, const job& j);
[[nodiscard]] outcome measure_narrow(cuda_backend& b, const job& j);
[[nodiscard]] outcome measure_narrow(process_backend& b, const job& j);
[[nodiscard]] outcome measure_wide(cuda_backend& b, const job& j);
[[nodiscard]] outcome measure_wide(process_backend& b, const job& j);

/// The one of them that has the job's type.
template <class Backend>
[[nodiscard]] outcome measure_any(Backend& b, const job& j) {
    switch (j.type) {
    case element_type::half:
    case element_type::bfloat16:
    case element_type::fp8_e4m3:
    case element_type::fp8_e5m2:
        return measure_narrow(b, j);
    case element_type::float32:
    case element_type::float64:
        return measure_wide(b, j);
    default:
        return measure_integers(b, j);
    }
}

} // namespace blink_perf
