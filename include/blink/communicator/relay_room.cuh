// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a plan with relays needs beside its group: memory and streams for GPUs that take no part and only forward.
#pragma once

#include <blink/communicator/cuda_resources.cuh>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/launch.cuh>
#include <blink/schedule/relay_stops.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// The relay stops of one plan. Its participants meet at flags of their own, since stops take part in no other call:
/// 160 KiB for each participant, and 32 MiB of slots for each stop.
class relay_room {
  public:
    /// @param group the ranks' side; outlives the room
    /// @param device_of_stop CUDA device of every stop
    /// @throw plan_error for more participants than a kernel carries; cuda_error where the driver refuses
    BLINK_SELDOM relay_room(group_resources& group, relayed_schedule relayed, std::span<const int> device_of_stop)
        : relayed_(std::move(relayed)), memory_(group.memory()) {
        const int participants = relayed_.participants.ranks;
        if (participants > max_ranks) {
            throw plan_error("a plan of " + std::to_string(relayed_.ranks) + " ranks with " +
                             std::to_string(device_of_stop.size()) + " stops at relays: at most " +
                             std::to_string(max_ranks) + " ranks and stops take part in a kernel; give fewer relays");
        }
        form_ = to_runtime_schedule(relayed_.participants);
        for (int r = 0; r < relayed_.ranks; ++r) { device_of_.push_back(group.of(r).device); }
        device_of_.insert(device_of_.end(), device_of_stop.begin(), device_of_stop.end());
        for (const int from : device_of_) {
            for (const int to : device_of_) {
                if (from != to) { group.open_peer(from, to); }
            }
        }
        memory_.flags.clear();
        for (int v = 0; v < participants; ++v) {
            const int device = device_of_[static_cast<std::size_t>(v)];
            memory_.flags.push_back(
                static_cast<block_flags*>(group.allocate(device, max_blocks * sizeof(block_flags))));
            if (v >= relayed_.ranks) {
                memory_.slots.push_back(static_cast<std::byte*>(group.allocate(device, memory_.slot_memory)));
            }
        }
        staged_memory_ = memory_;
        staged_memory_.staged = true;
        for (const int device : device_of_stop) {
            bool known = false;
            for (const device_ranks& d : group.devices()) { known = known || d.device == device; }
            for (const forwarder& f : beside_) { known = known || f.device == device; }
            if (!known) { beside_.push_back({device, group.make_stream(device), event(device)}); }
        }
        if (!beside_.empty()) { entered_.emplace(group.devices().front().device); }
        for (const int device : device_of_) {
            const device_scope current(device);
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        }
    }

    [[nodiscard]] const relayed_schedule& relayed() const noexcept { return relayed_; }
    [[nodiscard]] const runtime_schedule& form() const noexcept { return form_; }
    /// As that of the group.
    [[nodiscard]] const group_memory& memory(bool seen = true) const noexcept {
        return seen ? memory_ : staged_memory_;
    }
    /// CUDA devices by participant.
    [[nodiscard]] const std::vector<int>& devices() const noexcept { return device_of_; }

    /// Devices with all participants, for one call. GPUs that only forward begin behind what rank 0's stream holds, and
    /// `leave` lets it wait for them: so they are part of a capture, and of what the group waits for.
    [[nodiscard]] BLINK_SELDOM std::vector<device_ranks> enter(std::span<const device_ranks> ranks) const {
        std::vector<device_ranks> places(ranks.begin(), ranks.end());
        for (const forwarder& f : beside_) { places.push_back({f.device, f.stream, {}}); }
        for (int v = relayed_.ranks; v < relayed_.participants.ranks; ++v) {
            for (device_ranks& d : places) {
                if (d.device == device_of_[static_cast<std::size_t>(v)]) { d.ranks.push_back(v); }
            }
        }
        const device_ranks& first = places.front();
        if (!beside_.empty()) { record(*entered_, first.stream); }
        for (const forwarder& f : beside_) { wait(f.device, f.stream, *entered_); }
        return places;
    }

    /// Behind the launch of the call.
    /// @param first device of rank 0
    BLINK_SELDOM void leave(const device_ranks& first) const {
        for (const forwarder& f : beside_) {
            record(f.done, f.stream);
            wait(first.device, first.stream, f.done);
        }
        first.goes_on();
    }

  private:
    /// An event without a time, on its device.
    class event {
      public:
        explicit event(int device) : device_(device) {
            const device_scope current(device);
            check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
        }
        event(event&& other) noexcept : device_(other.device_), event_(std::exchange(other.event_, nullptr)) {}
        event& operator=(event&&) = delete;
        ~event() {
            if (event_ != nullptr) { (void)cudaEventDestroy(event_); }
        }
        [[nodiscard]] int device() const noexcept { return device_; }
        [[nodiscard]] cudaEvent_t get() const noexcept { return event_; }

      private:
        int device_;
        cudaEvent_t event_ = nullptr;
    };

    /// A GPU without ranks.
    struct forwarder {
        int device;
        cudaStream_t stream;
        event done;
    };

    static void record(const event& e, cudaStream_t stream) {
        const device_scope current(e.device());
        check(cudaEventRecord(e.get(), stream), "cudaEventRecord");
    }
    static void wait(int device, cudaStream_t stream, const event& e) {
        const device_scope current(device);
        check(cudaStreamWaitEvent(stream, e.get(), 0), "cudaStreamWaitEvent");
    }

    relayed_schedule relayed_;
    runtime_schedule form_;
    group_memory memory_;
    group_memory staged_memory_;
    std::vector<int> device_of_; ///< by participant
    std::vector<forwarder> beside_;
    std::optional<event> entered_;
};

} // namespace blink::cuda
