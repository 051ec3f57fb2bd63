// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One rank's copy of a network of dense layers, with its batch: what a data-parallel trainer has beside collectives.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/inner_product.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/transform.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trainer {

using blink::cuda::check;

/// Layers of `width` to `width`, without bias; ReLU between them.
struct shape {
    std::size_t layers, width, batch;
    [[nodiscard]] std::size_t layer_weights() const { return width * width; }
    [[nodiscard]] std::size_t weights() const { return layers * layer_weights(); }
    [[nodiscard]] std::size_t activations() const { return width * batch; }
};

/// For cuBLAS and NCCL, whose codes are 0 where all is well.
template <class Status>
void check(Status status, const char* call) {
    if (static_cast<int>(status) != 0) {
        throw blink::cuda_error(std::string(call) + ": status " + std::to_string(static_cast<int>(status)));
    }
}

/// Element i of a sequence of numbers that look random: from -scale to scale.
struct noise {
    std::uint64_t seed;
    float scale;
    __host__ __device__ float operator()(std::uint64_t i) const { // splitmix64, by Sebastiano Vigna
        std::uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15U + i * 0xd1342543de82ef95U;
        x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
        x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
        return scale * (static_cast<float>((x ^ (x >> 31U)) >> 40U) / 8388608.0F - 1.0F);
    }
};

struct relu {
    __host__ __device__ float operator()(float x) const { return x > 0 ? x : 0; }
};
/// The gradient where the output was not cut off.
struct passed_by_relu {
    __host__ __device__ float operator()(float gradient, float output) const { return output > 0 ? gradient : 0; }
};
struct scaled_difference {
    float scale;
    __host__ __device__ float operator()(float a, float b) const { return scale * (a - b); }
};
struct squared_difference {
    __host__ __device__ double operator()(float a, float b) const { return static_cast<double>(a - b) * (a - b); }
};

/// Memory of a GPU that goes with its owner.
class device_array {
  public:
    device_array(int device, std::size_t count) : count_(count) {
        const blink::cuda::device_scope current(device);
        float* memory = nullptr;
        check(cudaMalloc(&memory, count * sizeof(float)), "cudaMalloc");
        memory_.reset(memory);
    }
    [[nodiscard]] float* data() const { return memory_.get(); }
    [[nodiscard]] thrust::device_ptr<float> begin() const { return thrust::device_pointer_cast(memory_.get()); }
    [[nodiscard]] thrust::device_ptr<float> end() const { return begin() + static_cast<std::ptrdiff_t>(count_); }
    [[nodiscard]] std::vector<float> read() const {
        std::vector<float> copy(count_);
        check(cudaMemcpy(copy.data(), memory_.get(), count_ * sizeof(float), cudaMemcpyDeviceToHost), "cudaMemcpy");
        return copy;
    }

  private:
    struct freed {
        void operator()(float* memory) const { (void)cudaFree(memory); }
    };
    std::unique_ptr<float, freed> memory_;
    std::size_t count_;
};

/// Everything runs on one stream of the rank's GPU. The loss is half the squared distance from a fixed random image of
/// the batch, averaged over the samples.
class replica {
    [[nodiscard]] auto on_stream() const { return thrust::cuda::par_nosync.on(stream_); }

  public:
    replica(const shape& net, int rank, int device)
        : net_(net), rank_(rank), device_(device), weights_(device, net.weights()), gradients_(device, net.weights()),
          wanted_(device, net.activations()), deltas_(device, net.activations()), spare_(device, net.activations()) {
        const blink::cuda::device_scope current(device_);
        check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
        check(cublasCreate(&blas_), "cublasCreate");
        check(cublasSetStream(blas_, stream_), "cublasSetStream");
        for (cudaEvent_t* const event : {&reached_, &joined_}) {
            check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreate");
        }
        for (cudaEvent_t* const event : {&started_, &stopped_}) { check(cudaEventCreate(event), "cudaEventCreate"); }
        for (std::size_t l = 0; l <= net.layers; ++l) { values_.emplace_back(device, net.activations()); }
        fill(values_[0], {100 + static_cast<std::uint64_t>(rank), 1});
        fill(wanted_, {200 + static_cast<std::uint64_t>(rank), 1});
    }
    replica(replica&& other) noexcept = delete;
    replica& operator=(replica&&) = delete;
    ~replica() {
        const blink::cuda::device_scope current(device_);
        (void)cublasDestroy(blas_);
        for (const cudaEvent_t event : {reached_, joined_, started_, stopped_}) { (void)cudaEventDestroy(event); }
        (void)cudaStreamDestroy(stream_);
    }

    [[nodiscard]] const shape& net() const { return net_; }
    [[nodiscard]] int device() const { return device_; }
    [[nodiscard]] cudaStream_t stream() const { return stream_; }
    /// Those of the last layer come first, as they are the first that are known.
    [[nodiscard]] float* gradients() const { return gradients_.data(); }
    [[nodiscard]] std::vector<float> read_gradients() const { return gradients_.read(); }
    [[nodiscard]] std::vector<float> read_weights() const { return weights_.read(); }

    /// The weights that training starts with, the same on all ranks.
    void reset() { fill(weights_, {300, std::sqrt(6.0F / static_cast<float>(net_.width))}); }

    void forward() {
        const blink::cuda::device_scope current(device_);
        for (std::size_t l = 0; l < net_.layers; ++l) {
            multiply(CUBLAS_OP_N, CUBLAS_OP_N, net_.width, net_.batch, net_.width, layer(weights_, l),
                     values_[l].data(), values_[l + 1].data(), net_.width);
            if (l + 1 < net_.layers) {
                thrust::transform(on_stream(), values_[l + 1].begin(), values_[l + 1].end(), values_[l + 1].begin(),
                                  relu{});
            }
        }
    }

    /// The gradients of layer `l`; after `forward`, from the last layer to the first.
    void backward(std::size_t l) {
        const blink::cuda::device_scope current(device_);
        if (l + 1 == net_.layers) {
            thrust::transform(on_stream(), values_[l + 1].begin(), values_[l + 1].end(), wanted_.begin(),
                              deltas_.begin(), scaled_difference{1.0F / static_cast<float>(net_.batch)});
        }
        multiply(CUBLAS_OP_N, CUBLAS_OP_T, net_.width, net_.width, net_.batch, deltas_.data(), values_[l].data(),
                 layer(gradients_, l), net_.width);
        if (l == 0) { return; }
        multiply(CUBLAS_OP_T, CUBLAS_OP_N, net_.width, net_.batch, net_.width, layer(weights_, l), deltas_.data(),
                 spare_.data(), net_.width);
        thrust::transform(on_stream(), spare_.begin(), spare_.end(), values_[l].begin(), deltas_.begin(),
                          passed_by_relu{});
    }

    /// A step against the gradients.
    void descend() {
        const float rate = -learning_rate;
        check(cublasSaxpy(blas_, static_cast<int>(net_.weights()), &rate, gradients_.data(), 1, weights_.data(), 1),
              "cublasSaxpy");
    }

    /// Of the last `forward`; waits for it.
    [[nodiscard]] double loss() const {
        const blink::cuda::device_scope current(device_);
        const device_array& found = values_.back();
        return thrust::inner_product(on_stream(), found.begin(), found.end(), wanted_.begin(), 0.0,
                                     thrust::plus<double>{}, squared_difference{}) /
               (2.0 * static_cast<double>(net_.batch));
    }

    /// What comes on `other` follows what this rank was told so far.
    void let_follow(cudaStream_t other) {
        if (other == stream_) { return; }
        const blink::cuda::device_scope current(device_);
        check(cudaEventRecord(reached_, stream_), "cudaEventRecord");
        check(cudaStreamWaitEvent(other, reached_, 0), "cudaStreamWaitEvent");
    }
    /// What this rank is told from here on follows what is on `other`.
    void follow(cudaStream_t other) {
        if (other == stream_) { return; }
        const blink::cuda::device_scope current(device_);
        check(cudaEventRecord(joined_, other), "cudaEventRecord");
        check(cudaStreamWaitEvent(stream_, joined_, 0), "cudaStreamWaitEvent");
    }
    void synchronize() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

    void start_clock() {
        const blink::cuda::device_scope current(device_);
        check(cudaEventRecord(started_, stream_), "cudaEventRecord");
    }
    /// Milliseconds on the GPU since `start_clock`; waits.
    [[nodiscard]] double stop_clock() {
        const blink::cuda::device_scope current(device_);
        check(cudaEventRecord(stopped_, stream_), "cudaEventRecord");
        check(cudaEventSynchronize(stopped_), "cudaEventSynchronize");
        float ms = 0;
        check(cudaEventElapsedTime(&ms, started_, stopped_), "cudaEventElapsedTime");
        return static_cast<double>(ms);
    }

  private:
    static constexpr float learning_rate = 0.002F;

    [[nodiscard]] float* layer(const device_array& of, std::size_t l) const {
        return of.data() + (net_.layers - 1 - l) * net_.layer_weights();
    }

    void fill(const device_array& to, const noise& numbers) {
        const blink::cuda::device_scope current(device_);
        const thrust::counting_iterator<std::uint64_t> first(0);
        thrust::transform(on_stream(), first, first + (to.end() - to.begin()), to.begin(), numbers);
    }

    /// c (rows x columns) = a b, each column by column; `a` as it is or transposed, `b` likewise.
    void multiply(cublasOperation_t of_a, cublasOperation_t of_b, std::size_t rows, std::size_t columns,
                  std::size_t inner, const float* a, const float* b, float* c, std::size_t rows_of_each) {
        const float one = 1, zero = 0;
        const int step = static_cast<int>(rows_of_each);
        check(cublasSgemm(blas_, of_a, of_b, static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(inner),
                          &one, a, step, b, step, &zero, c, step),
              "cublasSgemm");
    }

    shape net_;
    int rank_;
    int device_;
    device_array weights_, gradients_, wanted_, deltas_, spare_;
    std::vector<device_array> values_; ///< what goes into each layer, and what comes out of the last
    cudaStream_t stream_ = nullptr;
    cublasHandle_t blas_ = nullptr;
    cudaEvent_t reached_ = nullptr, joined_ = nullptr, started_ = nullptr, stopped_ = nullptr;
};

} // namespace trainer
