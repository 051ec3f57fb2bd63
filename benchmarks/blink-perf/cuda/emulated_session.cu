// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/emulated_group.cuh>

#include "../company.hpp"
#include "../group_choice.hpp"
#include "../session.hpp"
#include "cuda_backend.cuh"

namespace blink_perf {

namespace {

/// The group of the command line; without a number of ranks, all GPUs of the topology share one.
blink::group_options emulated_ranks(const options& o) {
    if (o.topology.empty()) { throw blink::usage_error("--emulate needs a --topology to play"); }
    blink::group_options g = chosen_group(o);
    if (g.ranks == 0) { g.ranks = g.machine->gpu_count(); }
    g.virtual_ranks = g.ranks;
    return g;
}

class emulated_session final : public session {
  public:
    explicit emulated_session(const options& o) : backend_(alone_, emulated_ranks(o), o.link_scale) {}

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }
    [[nodiscard]] bool carries(element_type type) const override { return type == element_type::float32; }
    [[nodiscard]] std::vector<std::string> rank_lines() const override { return gpu_lines(backend_.group()); }
    [[nodiscard]] std::vector<std::string> notes() const override {
        std::string note = "Emulated: links of " + backend_.group().machine().name();
        if (backend_.group().scale() != 1) {
            note += " at " + std::to_string(backend_.group().scale()) + " times their rate";
        }
        return {note + ", all ranks on one GPU"};
    }

    outcome measure(const job& j) override {
        if (blink::reduces(j.data.kind) && j.data.op != reduction::sum) {
            throw blink::usage_error("--emulate: " + std::string(to_string(j.data.op)) + " is not built, only sum");
        }
        return measure_with<float>(backend_, j, blink::sum{});
    }

  private:
    company alone_;
    gpu_backend<blink::emulated_group> backend_;
};

} // namespace

std::unique_ptr<session> make_emulated_session(const options& o) {
    if (usable_gpus() == 0) { throw blink::usage_error("--emulate: no GPU is visible to this process"); }
    return std::make_unique<emulated_session>(o);
}

} // namespace blink_perf
