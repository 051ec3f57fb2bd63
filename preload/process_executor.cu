// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One rank on one GPU, whose others are other processes: Blink's communicator behind the library's interface. Only this
// rank touches its buffers, so any memory of its GPU will do.
#include <blink/communicator.hpp>
#include <blink/topology/read.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "captured_calls.cuh"
#include "executor.hpp"
#include "launch_slots.hpp"
#include "log.hpp"
#include "plan_report.cuh"
#include "reductions.cuh"
#include "relaxed_capture.cuh"
#include "tuned.hpp"
#include "way.hpp"

namespace blink::preload {

namespace {

[[nodiscard]] process_options choices_for(const process_place& at, const settings& chosen) {
    process_options choices;
    choices.device = at.device;
    choices.timeout = chosen.timeout;
    choices.tuned = chosen_tuning(chosen);
    if (!chosen.topology_file.empty()) {
        try {
            choices.machine = load_topology(chosen.topology_file);
            const auto is_there = [&](int gpu) { return gpu < choices.machine->gpu_count(); };
            if (std::ranges::all_of(at.gpus, is_there)) { choices.gpus = at.gpus; }
        } catch (const error& e) {
            log::problem_once("BLINK_TOPO_FILE=" + chosen.topology_file + ": " + e.what() + "; the probe is used");
        }
    }
    return choices;
}

/// The places for communicators on a device of this process. Never destroyed.
[[nodiscard]] launch_slots<captured_calls>& slots_of(int device) {
    static auto& guard = *new std::mutex;
    static auto& all = *new std::map<int, launch_slots<captured_calls>>;
    const std::lock_guard lock(guard);
    return all[device];
}

class process_executor final : public executor {
  public:
    process_executor(const process_place& at, const settings& chosen)
        : comm_(at.rank, at.ranks, rendezvous(at.address, chosen.rendezvous_timeout), choices_for(at, chosen)),
          chosen_(chosen), tuned_(chosen_tuning(chosen)), slots_(slots_of(comm_.device())),
          order_(
              comm_.device(), [this](cudaStream_t on) { comm_.follow_calls(on); }, comm_.stream()) {
        if (at.rank == 0 && log::tells_info()) {
            tell_of(std::to_string(at.ranks) + " processes on " + comm_.machine().name(),
                    comm_.plan_for(collective::allreduce, 0, planning(options{})));
        }
    }

    ~process_executor() override { slots_.leave(&order_); }

    [[nodiscard]] std::string refusal(const matched_call& call, bool again) override {
        if (again) { return {}; } // nothing that all ranks know has changed
        try {
            const collective trees = trees_of(call.kind);
            const int root = is_rooted(trees) ? call.root : 0;
            const plan& p = comm_.plan_for(trees, root, planning(options{}));
            if (comm_.rank() == 0 && !chosen_.plan_file.empty() && dumped_.insert({trees, root}).second) {
                dump(p, chosen_);
            }
            return {};
        } catch (const plan_error& e) { return e.what(); } // made of what all ranks know
    }

    [[nodiscard]] std::string way(const matched_call& call) override {
        if (!has_trees(call.kind)) { return "straight, and over other ranks where no hop is"; }
        const collective trees = trees_of(call.kind);
        const plan& p = comm_.plan_for(trees, is_rooted(trees) ? call.root : 0, planning(options{}));
        return way_of(call, p, tuned_, false); // nobody has registered buffers, or asked for room
    }

    void launch(const matched_call& call, bool again) override {
        try {
            std::optional<relaxed_capture> others_may_capture;
            if (may_allocate(bytes_of(call, static_cast<std::size_t>(comm_.size())), again)) {
                others_may_capture.emplace();
            }
            const cudaStream_t on = to_cuda(call.streams[0]);
            const unsigned long long capture = capture_point::of(on, comm_.device()).id;
            std::optional<cuda::device_scope> current;
            if (capture != 0) { current.emplace(comm_.device()); }
            order_.before(on, capture);
            slots_.enter(&order_, [&](captured_calls& other) { order_.follow(other, on); });
            run_call(comm_, call);
            order_.after(on);
        } catch (const error& e) {
            note(e.what());
            throw;
        }
    }

    void finish() noexcept override {
        const cuda::device_scope current(comm_.device());
        order_.wait();
    }

    void abort() noexcept override { comm_.abort(); }

    [[nodiscard]] std::string trouble() const override {
        if (comm_.status() == group_status::ready) { return {}; }
        const std::lock_guard lock(failure_guard_);
        if (!failure_.empty()) { return failure_; }
        const std::string why = comm_.failure_text();
        return why.empty() ? "this communicator of processes has " + std::string(to_string(comm_.status())) : why;
    }

  private:
    void note(const std::string& what) {
        const std::lock_guard lock(failure_guard_);
        if (failure_.empty()) { failure_ = what; }
    }

    blink::communicator comm_;
    const settings& chosen_;
    const tuning tuned_;
    launch_slots<captured_calls>& slots_;
    captured_calls order_;
    std::set<std::pair<collective, int>> dumped_;
    mutable std::mutex failure_guard_;
    std::string failure_;
};

} // namespace

std::unique_ptr<executor> make_process_executor(const process_place& at, const settings& chosen) {
    const relaxed_capture others_may_capture;
    return std::make_unique<process_executor>(at, chosen);
}

} // namespace blink::preload
