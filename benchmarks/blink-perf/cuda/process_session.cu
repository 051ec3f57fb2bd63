// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/error.hpp>

#include <string>
#include <unistd.h>
#include <vector>

#include "../ceiling.hpp"
#include "../company.hpp"
#include "../group_choice.hpp"
#include "../processes.hpp"
#include "../session.hpp"
#include "cuda_backend.cuh"

namespace blink_perf {

namespace {

/// The same choices as for a group of one process.
blink::process_options chosen_process(const options& o, int rank) {
    const blink::group_options g = chosen_group(o);
    blink::process_options p;
    p.machine = g.machine;
    if (g.machine) {
        p.gpus = g.gpus;
    } else if (!g.gpus.empty()) {
        p.device = g.gpus.at(static_cast<std::size_t>(rank));
    }
    p.timeout = g.timeout;
    p.blocks = g.blocks;
    p.tuned = g.tuned;
    p.copy_room = o.registered; // both are for programs that make the same long calls again and again
    return p;
}

class process_session final : public session {
  public:
    process_session(const options& o, const seat& s)
        : seat_(s), others_(blink::rendezvous(s.address("tool")).meet(s.rank, s.size)),
          backend_(others_, s.rank, s.size, blink::rendezvous(s.address("blink")), chosen_process(o, s.rank),
                   o.registered) {
        auto& group = backend_.group();
        ceiling_ = nvlink_ceiling_GBps(group.machine(), group.plan_for(blink::collective::allreduce).gpus);
        if (o.compare_nccl) { backend_.clock().compare_with_nccl(o.compare_windows, o.max_bytes); }
        lines_ = others_.exchange(gpu_lines(group).front());
        for (const std::string& pid : others_.exchange(std::to_string(getpid()))) { pids_.push_back(std::stoi(pid)); }
        seat_.got_on();
    }

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }
    [[nodiscard]] std::vector<std::string> rank_lines() const override { return lines_; }
    [[nodiscard]] std::vector<int> processes() const override { return pids_; }
    [[nodiscard]] std::vector<std::string> notes() const override {
        std::vector<std::string> lines{"One process a GPU; times are those of rank 0"};
        for (std::string& line : backend_.clock().notes()) { lines.push_back(std::move(line)); }
        return lines;
    }
    [[nodiscard]] comparison compared() const override { return backend_.clock().compared(); }
    [[nodiscard]] double ceiling_GBps() const override { return ceiling_; }

    outcome measure(const job& j) override {
        outcome o = measure_any(backend_, j);
        if (o.wrong) { o.wrong = others_.sum(*o.wrong); }
        o.out_of_bounds = others_.sum(o.out_of_bounds);
        seat_.got_on();
        return o;
    }

  private:
    seat seat_;
    company others_;
    process_backend backend_;
    std::vector<std::string> lines_;
    std::vector<int> pids_;
    double ceiling_ = 0;
};

} // namespace

std::unique_ptr<session> make_process_session(const options& o, const seat& s) {
    if (usable_gpus() == 0) { throw blink::usage_error("--processes: no GPU is visible to this process"); }
    return std::make_unique<process_session>(o, s);
}

} // namespace blink_perf
