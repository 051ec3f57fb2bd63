// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernels of the library, and what has to be looked at before one may run in the place of NCCL's.
#include <blink/communicator/cuda_group.cuh>
#include <blink/core/buffers.hpp>
#include <blink/topology/read.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "device_order.cuh"
#include "exchanges.hpp"
#include "executor.hpp"
#include "log.hpp"
#include "peer_memory.cuh"
#include "plan_report.cuh"
#include "reductions.cuh"
#include "relaxed_capture.cuh"
#include "tuned.hpp"
#include "way.hpp"

namespace blink::preload {

namespace {

class cuda_executor final : public executor {
  public:
    cuda_executor(std::span<const int> devices, const settings& chosen)
        : devices_(devices.begin(), devices.end()), captures_(devices.size()), chosen_(chosen) {}

    ~cuda_executor() override {
        const relaxed_capture others_may_capture;
        group_.reset();
    }

    [[nodiscard]] std::string refusal(const matched_call& call, bool again) override {
        if (!unusable_.empty()) { return unusable_; }
        try {
            if (std::string why = refusal_of_capture(call); !why.empty()) { return why; }
            // The same buffers have been looked at. Their memory may have been freed and allocated otherwise since, but
            // the group asks by itself before others touch it, and each GPU reads and writes its own as with NCCL.
            if (again) { return {}; }
            (void)planned(group(), call);
            return refusal_of_memory(call);
        } catch (const usage_error& e) { return e.what(); } catch (const error& e) {
            unusable_ = e.what();
            return unusable_;
        }
    }

    [[nodiscard]] std::string way(const matched_call& call) override {
        if (!has_trees(call.kind)) { return "straight, and over other ranks where no hop is"; }
        return way_of(call, planned(*group_, call), tuned_, true);
    }

    void launch(const matched_call& call, bool again) override {
        const device_order::turn now;
        std::optional<relaxed_capture> others_may_capture;
        if (may_allocate(bytes_of(call, devices_.size()), again)) { others_may_capture.emplace(); }
        try {
            for (std::size_t r = 0; r < devices_.size(); ++r) {
                const cudaStream_t on = to_cuda(call.streams[r]);
                group_->use_stream(devices_[r], on, now.before(devices_[r], on, captures_[r]));
            }
            run_call(*group_, call);
            for (std::size_t r = 0; r < devices_.size(); ++r) { now.after(devices_[r], to_cuda(call.streams[r])); }
        } catch (const error& e) {
            const std::lock_guard lock(failure_guard_);
            failure_ = e.what();
            throw;
        }
    }

    void finish() noexcept override {
        if (!started_) { return; }
        for (const int d : devices_) { device_order::wait_until_idle(d); }
    }

    void abort() noexcept override {
        if (started_) { group_->abort(); }
    }

    [[nodiscard]] std::string trouble() const override {
        if (!started_ || group_->status() == group_status::ready) { return {}; }
        const std::lock_guard lock(failure_guard_);
        return failure_.empty() ? group_->failure_text() : failure_;
    }

  private:
    /// Captured calls are one call of all ranks as well, so either all of their streams are captured or none. Nothing
    /// may be allocated meanwhile.
    [[nodiscard]] std::string refusal_of_capture(const matched_call& call) {
        std::size_t captured = 0;
        for (std::size_t r = 0; r < devices_.size(); ++r) {
            captures_[r] = capture_point::of(to_cuda(call.streams[r]), devices_[r]).id;
            captured += captures_[r] != 0 ? 1 : 0;
        }
        if (captured == 0) { return {}; }
        if (captured < devices_.size()) {
            return "the streams of some ranks are being captured, those of others are not";
        }
        return group_ ? "" : "streams are being captured, and Blink has done nothing for this communicator before";
    }

    /// The machine that BLINK_TOPO_FILE names, where these devices are its GPUs.
    [[nodiscard]] std::optional<topology> named_machine() const {
        if (chosen_.topology_file.empty()) { return std::nullopt; }
        try {
            topology machine = load_topology(chosen_.topology_file);
            (void)induced(machine, devices_);
            return machine;
        } catch (const error& e) {
            log::problem("BLINK_TOPO_FILE=" + chosen_.topology_file + ": " + e.what() + "; the probe is used");
            return std::nullopt;
        }
    }

    /// Made at the first call rather than with the communicators, most of which may never call.
    cuda_group& group() {
        if (!group_) {
            const relaxed_capture others_may_capture;
            group_options choices;
            choices.machine = named_machine();
            choices.gpus = devices_;
            choices.devices = devices_;
            choices.timeout = chosen_.timeout;
            choices.tuned = tuned_ = chosen_tuning(chosen_);
            choices.checks_buffers = false; // `refusal` does
            group_ = std::make_unique<cuda_group>(choices);
            started_ = true;
            tell_of(*group_);
        }
        return *group_;
    }

    void tell_of(cuda_group& gpus) const {
        if (!log::tells_info()) { return; }
        const plan& p = gpus.plan_for(collective::allreduce);
        std::string who = std::to_string(gpus.size()) + " GPUs of " + p.machine.name() + " (CUDA devices";
        for (const int d : devices_) { who += " " + std::to_string(d); }
        preload::tell_of(who + ")", p);
    }

    const plan& planned(cuda_group& gpus, const matched_call& call) {
        const collective trees = trees_of(call.kind);
        const int root = is_rooted(trees) ? call.root : 0;
        const plan& p = gpus.plan_for(trees, root, planning(options{}));
        if (!chosen_.plan_file.empty() && dumped_.insert({trees, root}).second) { dump(p, chosen_); }
        return p;
    }

    [[nodiscard]] std::string refusal_of_memory(const matched_call& call) const {
        const int ranks = static_cast<int>(devices_.size());
        const auto bad = [&](const char* which, int rank, const void* p) {
            return peers_may_use(p, devices_[static_cast<std::size_t>(rank)])
                       ? std::string()
                       : "rank " + std::to_string(rank) + "'s " + which + " buffer is not from cudaMalloc on its GPU";
        };
        if (!has_trees(call.kind)) {
            const byte_exchange bytes = byte_exchange_of(call, ranks);
            check_exchange(bytes.what, {bytes.in.begin(), bytes.in.end()}, {bytes.out.begin(), bytes.out.end()}, 1, 1);
            for (const transfer& t : bytes.what.transfers) {
                if (t.count == 0) { continue; }
                const auto* const in = bytes.in[static_cast<std::size_t>(t.from)] + t.in_offset;
                if (std::string why = bad("send", t.from, in); !why.empty()) { return why; }
                const auto* const out = bytes.out[static_cast<std::size_t>(t.to)] + t.out_offset;
                if (std::string why = bad("receive", t.to, out); !why.empty()) { return why; }
            }
            return {};
        }
        if (call.count == 0) { return {}; }
        const collective kind = trees_of(call.kind);
        const std::size_t bytes = size_of(call.type);
        check_buffers(kind, call.root, ranks, call.in, {call.out.begin(), call.out.end()}, call.count, bytes,
                      reduces(kind) ? bytes : 1);
        for (int r = 0; r < ranks; ++r) {
            const auto i = static_cast<std::size_t>(r);
            const bool reads = reads_input(kind, call.root, r);
            const bool writes = writes_output(kind, call.root, r);
            if (reads) {
                if (std::string why = bad("send", r, call.in[i]); !why.empty()) { return why; }
            }
            if (writes && !(reads && call.in[i] == call.out[i])) {
                if (std::string why = bad("receive", r, call.out[i]); !why.empty()) { return why; }
            }
        }
        return {};
    }

    const std::vector<int> devices_;
    std::vector<unsigned long long> captures_; ///< by rank, of the calls that were looked at last; 0: none
    const settings& chosen_;
    tuning tuned_;
    std::unique_ptr<cuda_group> group_;
    std::atomic<bool> started_{false}; ///< `group_` may be looked at by any thread
    std::string unusable_;
    std::set<std::pair<collective, int>> dumped_;
    mutable std::mutex failure_guard_;
    std::string failure_;
};

} // namespace

std::unique_ptr<executor> make_executor(std::span<const int> devices, const settings& chosen) {
    return std::make_unique<cuda_executor>(devices, chosen);
}

} // namespace blink::preload
