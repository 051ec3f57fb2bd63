// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "../group_choice.hpp"
#include "../session.hpp"
#include "cuda_backend.cuh"

namespace blink_perf {

namespace {

class cuda_session final : public session {
  public:
    explicit cuda_session(const options& o) : backend_(chosen_group(o), o.compare_nccl) {}

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }

    [[nodiscard]] std::vector<std::string> rank_lines() const override {
        std::vector<std::string> lines;
        for (int r = 0; r < ranks(); ++r) {
            const int device = backend_.group().device(r);
            cudaDeviceProp properties{};
            char bus[32] = "";
            blink::cuda::check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
            blink::cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, device), "cudaDeviceGetPCIBusId");
            lines.push_back(std::to_string(device) + " [" + bus + "] " + properties.name);
        }
        return lines;
    }

    [[nodiscard]] std::vector<std::string> notes() const override {
        if (!backend_.peer()) { return {}; }
        return {"Compared in turn with NCCL " + backend_.peer()->version() +
                "; ratio: how many times as fast Blink is"};
    }

    outcome measure(const job& j) override {
        switch (j.type) {
        case element_type::half:
            return measure_type<__half>(backend_, j);
        case element_type::bfloat16:
            return measure_type<__nv_bfloat16>(backend_, j);
        case element_type::float32:
            return measure_type<float>(backend_, j);
        case element_type::float64:
            return measure_type<double>(backend_, j);
        default:
            return measure_integers(backend_, j);
        }
    }

  private:
    cuda_backend backend_;
};

} // namespace

std::unique_ptr<session> make_cuda_session(const options& o) {
    if (usable_gpus() == 0) { throw blink::usage_error("--executor cuda: no GPU is visible to this process"); }
    return std::make_unique<cuda_session>(o);
}

int usable_gpus() noexcept { return blink::cuda::visible_gpus(); }

} // namespace blink_perf
