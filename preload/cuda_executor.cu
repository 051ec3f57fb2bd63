// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernels of the library, and what has to be looked at before one may run in the place of NCCL's.
#include <blink/communicator/cuda_group.cuh>
#include <blink/core/buffers.hpp>
#include <blink/topology/read.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string>

#include "device_order.cuh"
#include "executor.hpp"
#include "log.hpp"
#include "peer_memory.cuh"
#include "plan_report.cuh"
#include "reductions.cuh"
#include "tuned.hpp"

namespace blink::preload {

namespace {

class cuda_executor final : public executor {
  public:
    cuda_executor(std::span<const int> devices, const settings& chosen)
        : devices_(devices.begin(), devices.end()), chosen_(chosen) {}

    ~cuda_executor() override {
        const relaxed_capture others_may_capture;
        group_.reset();
    }

    [[nodiscard]] std::string refusal(const matched_call& call) override {
        // What a graph would hold is NCCL's: its replays cannot be ordered behind calls that are made one by one.
        for (std::size_t r = 0; r < devices_.size(); ++r) {
            const cuda::device_scope current(devices_[r]);
            if (is_captured(to_cuda(call.streams[r]))) { return "a stream is being captured"; }
        }
        if (!unusable_.empty()) { return unusable_; }
        try {
            const relaxed_capture others_may_capture;
            cuda_group& gpus = group();
            (void)planned(gpus, call);
            return refusal_of_memory(call);
        } catch (const usage_error& e) { return e.what(); } catch (const error& e) {
            unusable_ = e.what();
            return unusable_;
        }
    }

    void launch(const matched_call& call) override {
        const device_order::turn now;
        for (std::size_t r = 0; r < devices_.size(); ++r) {
            now.wait_for_last(devices_[r], to_cuda(call.streams[r]));
            group_->use_stream(devices_[r], to_cuda(call.streams[r]));
        }
        try {
            run(call);
        } catch (const error& e) {
            const std::lock_guard lock(failure_guard_);
            failure_ = e.what();
            throw;
        }
        for (std::size_t r = 0; r < devices_.size(); ++r) { now.note_last(devices_[r], to_cuda(call.streams[r])); }
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
        return failure_.empty() ? "a collective of Blink has " + std::string(to_string(group_->status())) : failure_;
    }

  private:
    static bool is_captured(cudaStream_t stream) {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        if (cudaStreamIsCapturing(stream, &status) != cudaSuccess) {
            (void)cudaGetLastError(); // the default stream while another one is captured
            return true;
        }
        return status != cudaStreamCaptureStatusNone;
    }

    /// The machine that BLINK_TOPO_FILE names, where these ranks are its GPUs.
    [[nodiscard]] std::optional<topology> named_machine() const {
        if (chosen_.topology_file.empty()) { return std::nullopt; }
        const std::string what = "BLINK_TOPO_FILE=" + chosen_.topology_file + ": ";
        std::vector<int> in_order(devices_.size());
        std::iota(in_order.begin(), in_order.end(), 0);
        try {
            if (devices_ != in_order) {
                log::problem(what + "only for ranks on the GPUs 0, 1, 2, ...; the probe is used");
                return std::nullopt;
            }
            topology machine = load_topology(chosen_.topology_file);
            (void)induced(machine, devices_);
            return machine;
        } catch (const error& e) {
            log::problem(what + e.what() + "; the probe is used");
            return std::nullopt;
        }
    }

    /// Made at the first call rather than with the communicators, most of which may never call.
    cuda_group& group() {
        if (!group_) {
            group_options choices;
            choices.machine = named_machine();
            choices.gpus = devices_;
            choices.timeout = chosen_.timeout;
            choices.tuned = chosen_tuning(chosen_);
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
        const plan& p = gpus.plan_for(call.kind, call.root, planning(options{}));
        if (!chosen_.plan_file.empty() && dumped_.insert({call.kind, is_rooted(call.kind) ? call.root : 0}).second) {
            dump(p, chosen_);
        }
        return p;
    }

    [[nodiscard]] std::string refusal_of_memory(const matched_call& call) const {
        if (call.count == 0) { return {}; }
        const int ranks = static_cast<int>(devices_.size());
        const std::size_t bytes = size_of(call.type);
        check_buffers(call.kind, call.root, ranks, call.in, {call.out.begin(), call.out.end()}, call.count, bytes,
                      reduces(call.kind) ? bytes : 1);
        for (int r = 0; r < ranks; ++r) {
            const auto i = static_cast<std::size_t>(r);
            const bool bad_in = reads_input(call.kind, call.root, r) && !peers_may_use(call.in[i], devices_[i]);
            const bool bad_out = writes_output(call.kind, call.root, r) && !peers_may_use(call.out[i], devices_[i]);
            if (bad_in || bad_out) {
                return "rank " + std::to_string(r) + "'s " + (bad_in ? "send" : "receive") +
                       " buffer is not from cudaMalloc on its GPU";
            }
        }
        return {};
    }

    void run(const matched_call& call) {
        if (!reduces(call.kind)) {
            matched_call bytes = call;
            bytes.count *= size_of(call.type);
            return run_as<std::uint8_t>(*group_, bytes, no_operator{});
        }
        switch (call.type) {
        case nccl::float16:
        case nccl::bfloat16:
        case nccl::float8e4m3:
        case nccl::float8e5m2:
            return reduce_narrow(*group_, call);
        case nccl::float32:
        case nccl::float64:
            return reduce_reals(*group_, call);
        default:
            return reduce_integers(*group_, call);
        }
    }

    const std::vector<int> devices_;
    const settings& chosen_;
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
