// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "../group_choice.hpp"
#include "../session.hpp"
#include "cuda_backend.cuh"

namespace blink_perf {

namespace {

class cuda_session final : public session {
  public:
    explicit cuda_session(const options& o) : backend_(chosen_group(o)) {
        if (!o.compare_nccl) { return; }
        if (o.virtual_ranks > 0) {
            throw blink::usage_error("--compare nccl: NCCL has no virtual ranks; it needs a GPU a rank");
        }
        backend_.compare_with_nccl();
    }

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }

    [[nodiscard]] std::vector<std::string> rank_lines() const override { return gpu_lines(backend_.group()); }

    [[nodiscard]] std::vector<std::string> notes() const override {
        if (!backend_.peer()) { return {}; }
        return {"Compared in turn with NCCL " + backend_.peer()->version() +
                "; ratio: how many times as fast Blink is"};
    }

    outcome measure(const job& j) override {
        switch (j.type) {
        case element_type::half:
        case element_type::bfloat16:
        case element_type::fp8_e4m3:
        case element_type::fp8_e5m2:
            return measure_narrow(backend_, j);
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
