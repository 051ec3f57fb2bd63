// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls by copy engines between processes: what a rank needs for its part of them, and its launch.
#pragma once

#include <blink/communicator/capture.cuh>
#include <blink/communicator/copy_job.cuh>
#include <blink/communicator/process_resources.cuh>
#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/copy_flag_kernels.cuh>
#include <blink/execute/cuda/copy_flags.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/move_kernel.cuh>
#include <blink/execute/cuda/rank_program.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <vector>

namespace blink::cuda {

/// Streams and events of this rank, made when they are first needed and kept to the end; the memory is that of
/// `process_resources`.
class process_copies {
  public:
    /// @param resources outlive this
    explicit process_copies(const process_resources& resources) : resources_(resources) {
        for (int r = 0; r < resources.size(); ++r) {
            const process_copy_memory& there = resources.copies(r);
            flags_.of[r] = there.flags;
            slots_.push_back(there.slots);
        }
    }
    BLINK_SELDOM ~process_copies() {
        const device_scope current(resources_.here().device);
        for (const cudaStream_t s : streams_) {
            if (s == nullptr) { continue; }
            (void)cudaStreamSynchronize(s);
            (void)cudaStreamDestroy(s);
        }
        for (const cudaEvent_t e : events_) { (void)cudaEventDestroy(e); }
    }
    process_copies(const process_copies&) = delete;
    process_copies& operator=(const process_copies&) = delete;

    /// Enqueues this rank's part on its device, which is the current one.
    /// @param stream of the call
    /// @param kernels enqueues what no step carries, on that stream
    /// @throw cuda_error where the driver refuses, and what `kernels` throws
    BLINK_SELDOM void run(const rank_program& part, const copy_job& job, cudaStream_t stream,
                          const kernel_launcher& kernels) {
        prepare(part);
        const group_memory& memory = resources_.memory();
        const patience limits = memory.limits();
        for (std::size_t i = 0; i < part.actions.size(); ++i) {
            if (i == part.entry && part.by_kernels > 0) { kernels.launch(kernels.what, part.by_kernels); }
            const rank_action& a = part.actions[i];
            const cudaStream_t on = a.stream == own_stream ? stream : streams_[static_cast<std::size_t>(a.stream)];
            switch (a.what) {
            case rank_action::kind::mark:
                check(cudaEventRecord(events_[static_cast<std::size_t>(a.index)], on), "cudaEventRecord");
                break;
            case rank_action::kind::wait:
                check(cudaStreamWaitEvent(on, events_[static_cast<std::size_t>(a.index)], 0), "cudaStreamWaitEvent");
                break;
            case rank_action::kind::step:
                enqueue_step(part.steps[static_cast<std::size_t>(a.index)], resources_.size(), job,
                             {slots_, resources_.host_memory().begin()}, on);
                break;
            default:
                enqueue_flag(a, part.rank, flags_, limits, on);
                break;
            }
        }
    }

  private:
    /// Makes what is missing before anything is enqueued, since the driver may wait for kernels that run.
    BLINK_SELDOM void prepare(const rank_program& part) {
        const capture_pause pause;
        if (!loaded_) {
            load_flag_kernels();
            load_move();
            loaded_ = true;
        }
        for (const rank_action& a : part.actions) {
            cudaStream_t& s = streams_[static_cast<std::size_t>(a.stream)];
            if (a.stream == own_stream || s != nullptr) { continue; }
            check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        }
        while (events_.size() < static_cast<std::size_t>(part.events)) {
            cudaEvent_t made = nullptr;
            check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreateWithFlags");
            events_.push_back(made);
        }
    }

    const process_resources& resources_;
    copy_flag_table flags_{};
    std::vector<std::byte*> slots_; ///< by rank
    std::array<cudaStream_t, rank_streams> streams_{};
    std::vector<cudaEvent_t> events_;
    bool loaded_ = false;
};

} // namespace blink::cuda
