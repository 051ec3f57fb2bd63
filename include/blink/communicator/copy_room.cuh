// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What calls by copy engines need beside their group: streams, events, slots on the GPUs and a ring on the host.
#pragma once

#include <blink/communicator/capture.cuh>
#include <blink/communicator/copy_job.cuh>
#include <blink/communicator/cuda_resources.cuh>
#include <blink/communicator/share_timer.cuh>
#include <blink/communicator/stream_facts.cuh>
#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/launch.cuh>

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace blink::cuda {

/// True where what is enqueued on these streams may wait for each other: none of them is captured, or all of them into
/// the same graph.
[[nodiscard]] inline bool may_meet(std::span<const device_ranks> devices) {
    cudaStreamCaptureStatus first = cudaStreamCaptureStatusNone;
    unsigned long long first_id = 0;
    for (const device_ranks& d : devices) {
        const device_scope current(d.device);
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        unsigned long long id = 0;
        check(cudaStreamGetCaptureInfo(d.stream, &status, &id), "cudaStreamGetCaptureInfo");
        if (&d == &devices.front()) {
            first = status;
            first_id = id;
        }
        if (status != first || (status == cudaStreamCaptureStatusActive && id != first_id)) { return false; }
    }
    return first != cudaStreamCaptureStatusInvalidated;
}

/// Made on first use, and grows with the calls: slots of up to 80 MiB a rank, 144 for an AllReduce of two ranks in
/// place, and 64 MiB on the host where no larger chunks are asked for. What a graph may still use is kept to the end.
class copy_room {
  public:
    /// @param group a GPU for each rank; outlives the room
    /// @throw cuda_error where the driver refuses
    BLINK_SELDOM explicit copy_room(group_resources& group) : group_(group) {
        for (const device_ranks& d : group.devices()) {
            for (int q = 1; q < copy_queues; ++q) { streams_.push_back(group.make_stream(d.device)); }
            slots_.push_back(nullptr);
        }
    }
    BLINK_SELDOM ~copy_room() {
        for (const cudaStream_t s : streams_) { (void)cudaStreamSynchronize(s); }
        for (const std::vector<cudaEvent_t>& list : events_) {
            for (const cudaEvent_t e : list) { (void)cudaEventDestroy(e); }
        }
        for (void* const m : device_memory_) { (void)cudaFree(m); }
        for (void* const m : host_memory_) { (void)cudaFreeHost(m); }
    }
    copy_room(const copy_room&) = delete;
    copy_room& operator=(const copy_room&) = delete;

    /// Enqueues a call between the streams of the ranks, which `may_meet`.
    /// @param kernels enqueues what no step carries, on the streams of the ranks
    /// @param marks null, or set at the beginning and behind each part of the call
    /// @throw cuda_error where the driver refuses, and what `kernels` throws
    BLINK_SELDOM void run(const copy_program& program, const copy_job& job, const kernel_launcher& kernels = {},
                          copy_marks* marks = nullptr) {
        reserve(program.slot_elements * job.element_bytes, program.host_elements * job.element_bytes);
        const std::vector<cudaEvent_t> events = events_for(program);
        const auto entry = static_cast<std::size_t>(program.ranks);
        for (std::size_t i = 0; i < entry; ++i) { enqueue(program.actions[i], program, job, events); }
        if (marks != nullptr) { mark_beginning(*marks, events); }
        // Behind the marks of all ranks, ahead of the steps and of the waits for them: both begin together.
        if (program.by_kernels > 0) {
            kernels.launch(kernels.what, program.by_kernels);
            for (int r = 0; marks != nullptr && r < program.ranks; ++r) {
                mark_end(*marks, queue_of(r, copy_queue::own));
            }
        }
        const std::vector<bool> last = marks != nullptr ? last_steps(program) : std::vector<bool>{};
        for (std::size_t i = entry; i < program.actions.size(); ++i) {
            enqueue(program.actions[i], program, job, events);
            if (marks != nullptr && last[i]) { mark_end(*marks, program.actions[i].queue); }
        }
    }

  private:
    BLINK_SELDOM void enqueue(const copy_action& a, const copy_program& program, const copy_job& job,
                              const std::vector<cudaEvent_t>& events) const {
        const device_scope current(rank_of(a.queue).device);
        const cudaStream_t stream = stream_of(a.queue);
        switch (a.what) {
        case copy_action::kind::mark:
            check(cudaEventRecord(events[static_cast<std::size_t>(a.index)], stream), "cudaEventRecord");
            break;
        case copy_action::kind::wait:
            check(cudaStreamWaitEvent(stream, events[static_cast<std::size_t>(a.index)], 0), "cudaStreamWaitEvent");
            break;
        case copy_action::kind::step:
            step(program.steps[static_cast<std::size_t>(a.index)], program.ranks, job, stream);
            break;
        }
    }

    /// Where all ranks have come to the call, so that none of them counts the time for which it waits for others.
    /// @param events those of the program, of which the first ones mark the ranks' own queues
    BLINK_SELDOM void mark_beginning(copy_marks& marks, const std::vector<cudaEvent_t>& events) const {
        const std::span<const device_ranks> devices = group_.devices();
        for (std::size_t r = 0; r < devices.size(); ++r) {
            const device_scope current(devices[r].device);
            for (std::size_t other = 0; other < devices.size(); ++other) {
                if (other == r) { continue; }
                check(cudaStreamWaitEvent(devices[r].stream, events[other], 0), "cudaStreamWaitEvent");
            }
            marks.begin_on(static_cast<int>(r), devices[r].stream);
        }
    }

    BLINK_SELDOM void mark_end(copy_marks& marks, int queue) const {
        const device_scope current(rank_of(queue).device);
        marks.end_on(rank_of_queue(queue), is_over_host(queue), stream_of(queue));
    }

    [[nodiscard]] const device_ranks& rank_of(int queue) const {
        return group_.devices()[static_cast<std::size_t>(rank_of_queue(queue))];
    }

    /// The rank's own stream, or one of the room's.
    [[nodiscard]] cudaStream_t stream_of(int queue) const {
        const int rank = rank_of_queue(queue);
        return queue == queue_of(rank, copy_queue::own) ? rank_of(queue).stream
                                                        : streams_[static_cast<std::size_t>(queue - rank - 1)];
    }

    BLINK_SELDOM void reserve(std::size_t slot_bytes, std::size_t host_bytes) {
        const capture_pause pause;
        if (slot_bytes > slot_bytes_) {
            for (std::size_t r = 0; r < slots_.size(); ++r) {
                const device_scope current(group_.devices()[r].device);
                void* memory = nullptr;
                check(cudaMalloc(&memory, slot_bytes), "cudaMalloc");
                device_memory_.push_back(memory);
                slots_[r] = static_cast<std::byte*>(memory);
            }
            slot_bytes_ = slot_bytes;
        }
        if (host_bytes > host_bytes_) {
            void* memory = nullptr;
            check(cudaHostAlloc(&memory, host_bytes, cudaHostAllocPortable), "cudaHostAlloc");
            host_memory_.push_back(memory);
            host_ = static_cast<std::byte*>(memory);
            host_bytes_ = host_bytes;
        }
    }

    /// An event of this room for each of the program's, on the device of the queue that marks it.
    [[nodiscard]] BLINK_SELDOM std::vector<cudaEvent_t> events_for(const copy_program& program) {
        std::array<std::size_t, max_ranks> used{};
        std::vector<cudaEvent_t> events;
        for (const int queue : program.marked_by) {
            const auto r = static_cast<std::size_t>(rank_of_queue(queue));
            if (used[r] == events_[r].size()) {
                const device_scope current(rank_of(queue).device);
                cudaEvent_t made = nullptr;
                check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreateWithFlags");
                events_[r].push_back(made);
            }
            events.push_back(events_[r][used[r]++]);
        }
        return events;
    }

    /// @param s of this program
    BLINK_SELDOM void step(const copy_step& s, int ranks, const copy_job& job, cudaStream_t stream) const {
        enqueue_step(s, ranks, job, {slots_, host_}, stream);
    }

    group_resources& group_;
    std::vector<cudaStream_t> streams_; ///< by queue, without the ranks' own
    std::array<std::vector<cudaEvent_t>, max_ranks> events_;
    std::vector<std::byte*> slots_; ///< by rank
    std::byte* host_ = nullptr;
    std::size_t slot_bytes_ = 0;
    std::size_t host_bytes_ = 0;
    std::vector<void*> device_memory_;
    std::vector<void*> host_memory_;
};

} // namespace blink::cuda
