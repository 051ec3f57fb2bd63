// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "../ceiling.hpp"
#include "../company.hpp"
#include "../group_choice.hpp"
#include "../session.hpp"
#include "cuda_backend.cuh"

namespace blink_perf {

namespace {

class cuda_session final : public session {
  public:
    explicit cuda_session(const options& o) : backend_(alone_, chosen_group(o)) {
        auto& group = backend_.group();
        if (o.virtual_ranks == 0) {
            ceiling_ = nvlink_ceiling_GBps(group.machine(), group.plan_for(blink::collective::allreduce).gpus);
        }
        if (!o.compare_nccl) { return; }
        if (o.virtual_ranks > 0) {
            throw blink::usage_error("--compare nccl: NCCL has no virtual ranks; it needs a GPU a rank");
        }
        backend_.clock().compare_with_nccl(o.compare_windows, o.max_bytes);
    }

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }
    [[nodiscard]] std::vector<std::string> rank_lines() const override { return gpu_lines(backend_.group()); }
    [[nodiscard]] std::vector<std::string> notes() const override { return backend_.clock().notes(); }
    [[nodiscard]] comparison compared() const override { return backend_.clock().compared(); }
    [[nodiscard]] double ceiling_GBps() const override { return ceiling_; }
    outcome measure(const job& j) override { return measure_any(backend_, j); }

  private:
    company alone_;
    cuda_backend backend_;
    double ceiling_ = 0;
};

} // namespace

std::unique_ptr<session> make_cuda_session(const options& o) {
    if (usable_gpus() == 0) { throw blink::usage_error("--executor cuda: no GPU is visible to this process"); }
    return std::make_unique<cuda_session>(o);
}

int usable_gpus() noexcept { return blink::cuda::visible_gpus(); }

} // namespace blink_perf
