// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// When the link's part and the host's part of calls by copies were done, for the shares that are learnt from it.
#pragma once

#include <blink/communicator/capture.cuh>
#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/host_shares.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace blink::cuda {

/// Events behind what one call did on each device. Times of two devices cannot be compared, so each has a beginning.
class copy_marks {
  public:
    copy_marks() = default;
    copy_marks(const copy_marks&) = delete;
    copy_marks& operator=(const copy_marks&) = delete;
    BLINK_SELDOM ~copy_marks() {
        for (const mark& m : marks_) { (void)cudaEventDestroy(m.event); }
    }

    /// The call begins here on this rank.
    /// @param stream on the current device
    BLINK_SELDOM void begin_on(int rank, cudaStream_t stream) {
        marks_.push_back({rank, part::beginning, recorded(stream)});
    }
    /// What went over the host, or over the link, has come to an end on this stream.
    BLINK_SELDOM void end_on(int rank, bool over_host, cudaStream_t stream) {
        marks_.push_back({rank, over_host ? part::host : part::link, recorded(stream)});
    }

    /// Whether all of it is done; waits for nothing.
    [[nodiscard]] BLINK_SELDOM bool done() const {
        for (const mark& m : marks_) {
            const cudaError_t status = cudaEventQuery(m.event);
            if (status == cudaErrorNotReady) { (void)cudaGetLastError(); } // or the next launch would report it
            if (status != cudaSuccess) { return false; }
        }
        return true;
    }

    /// Seconds until the link's part and the host's part were done, on the GPU where that was last; below 0 where the
    /// driver does not tell.
    [[nodiscard]] BLINK_SELDOM std::pair<double, double> seconds() const {
        double link = 0;
        double host = 0;
        cudaEvent_t begun[max_ranks] = {};
        for (const mark& m : marks_) {
            if (m.what == part::beginning) {
                begun[m.rank] = m.event;
                continue;
            }
            float ms = 0;
            if (cudaEventElapsedTime(&ms, begun[m.rank], m.event) != cudaSuccess) {
                (void)cudaGetLastError();
                return {-1, -1};
            }
            double& longest = m.what == part::host ? host : link;
            longest = std::max(longest, static_cast<double>(ms) * 1e-3);
        }
        return {link, host};
    }

  private:
    enum class part : unsigned char { beginning, link, host };
    struct mark {
        int rank;
        part what;
        cudaEvent_t event;
    };

    BLINK_SELDOM static cudaEvent_t recorded(cudaStream_t stream) {
        cudaEvent_t e = nullptr;
        check(cudaEventCreate(&e), "cudaEventCreate");
        if (const cudaError_t status = cudaEventRecord(e, stream); status != cudaSuccess) {
            (void)cudaEventDestroy(e);
            check(status, "cudaEventRecord");
        }
        return e;
    }

    std::vector<mark> marks_;
};

/// Gives calls their share over the host, and lets that be learnt from those that have ended. Nothing waits for that.
class share_timer {
  public:
    /// @param learns false: shares stay as they are tuned
    explicit share_timer(bool learns) : learns_(learns) {}

    [[nodiscard]] const host_shares& shares() const noexcept { return shares_; }

    /// Puts the share of the next call, which is not captured, into its shape, where it has one.
    /// @return the marks that the call should set, which `begun` gets then; null for most calls
    [[nodiscard]] BLINK_SELDOM std::unique_ptr<copy_marks> choose(const shared_call& call, double most,
                                                                  copy_shape& shape) {
        if (!learns_ || shape.host_share == 0) { return nullptr; }
        shape.may_share = true;
        tell();
        const auto [share, on_trial] = shares_.next(call, shape.host_share, most);
        shape.host_share = share;
        return on_trial ? std::make_unique<copy_marks>() : nullptr;
    }

    /// The call was enqueued and has set its marks.
    BLINK_SELDOM void begun(const shared_call& call, std::unique_ptr<copy_marks> marks) {
        if (marks == nullptr) { return; }
        pending_.emplace_back(call, std::move(marks));
        shares_.begun(call);
    }

    /// Learns from the calls that have ended.
    BLINK_SELDOM void tell() {
        if (pending_.empty()) { return; }
        const capture_pause pause;
        while (!pending_.empty() && pending_.front().second->done()) {
            const auto [call, marks] = std::move(pending_.front());
            pending_.pop_front();
            const auto [link, host] = marks->seconds();
            shares_.observe(call, link, host);
        }
    }

  private:
    bool learns_;
    host_shares shares_;
    std::list<std::pair<shared_call, std::unique_ptr<copy_marks>>> pending_;
};

} // namespace blink::cuda
