// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Modelled time on a machine. No data move: the schedule is verified symbolically instead.
#include <blink/execute/simulate/simulate.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/verify.hpp>

#include <map>
#include <numeric>
#include <utility>

#include "group_choice.hpp"
#include "session.hpp"

namespace blink_perf {
namespace {

class simulate_session final : public session {
  public:
    explicit simulate_session(const options& o)
        : machine_(blink::topology_from(o.topology.empty() ? "dgx1v" : o.topology)), gpus_(o.gpus) {
        const int ranks = chosen_ranks(o);
        if (gpus_.empty()) {
            gpus_.resize(static_cast<std::size_t>(ranks > 0 ? ranks : machine_.gpu_count()));
            std::iota(gpus_.begin(), gpus_.end(), 0);
        }
    }

    [[nodiscard]] int ranks() const override { return static_cast<int>(gpus_.size()); }

    [[nodiscard]] std::vector<std::string> rank_lines() const override {
        std::vector<std::string> lines;
        for (const int g : gpus_) { lines.push_back(std::to_string(g) + " [simulated] of " + machine_.name()); }
        return lines;
    }

    [[nodiscard]] std::vector<std::string> notes() const override {
        return {"Simulated: times come from a model of the links. No data move; the schedule is verified instead."};
    }

    outcome measure(const job& j) override {
        const blink::plan& p = plan_for(j.data.kind, j.data.root, j.relays);
        const std::size_t shards = blink::is_sharded(j.data.kind) ? gpus_.size() : 1;
        const std::size_t bytes = j.count * shards * size_of(j.type);
        blink::model_options model;
        model.chunk_bytes = j.chunk;
        const auto timed = j.chunk > 0 ? blink::simulate(p.schedule, p.fabric, bytes, model)
                                       : blink::simulate_best_chunk(p.schedule, p.fabric, bytes);
        outcome result;
        result.samples = {timed.seconds};
        return result;
    }

  private:
    const blink::plan& plan_for(blink::collective kind, int root, const std::vector<int>& relays) {
        const std::pair key{kind, root};
        if (const auto known = plans_.find(key); known != plans_.end()) { return known->second; }
        blink::plan p = blink::make_plan(machine_, gpus_, kind, root, {.relays = relays});
        blink::verify(p.schedule);
        return plans_.emplace(key, std::move(p)).first->second;
    }

    blink::topology machine_;
    std::vector<int> gpus_;
    std::map<std::pair<blink::collective, int>, blink::plan> plans_;
};

} // namespace

std::unique_ptr<session> make_simulate_session(const options& o) {
    if (o.graphs > 0) { throw blink::usage_error("-G needs --executor cuda"); }
    if (o.compare_nccl) { throw blink::usage_error("--compare nccl needs --executor cuda"); }
    return std::make_unique<simulate_session>(o);
}

} // namespace blink_perf
