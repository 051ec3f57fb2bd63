// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Buffers in NCCL's symmetric windows, as nccl-tests makes them with `-R 2`: memory of ncclMemAlloc, registered by all
/// ranks, in which NCCL has kernels of its own for short calls.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <cstddef>
#include <string>
#include <vector>

#include "../company.hpp"
#include "../layout.hpp"
#include "nccl_ranks.hpp"

namespace blink_perf {

/// Two buffers a rank, registered once for all measurements. Destroyed before the `nccl_ranks`.
class nccl_windows {
  public:
    /// A call of all ranks. Where it does not succeed on one of them, `why_not()` says so on all.
    /// @param bytes of each buffer
    nccl_windows(const nccl_ranks& nccl, std::size_t bytes, const company& others) : nccl_(nccl) {
        if (!nccl.interface().knows_windows()) {
            why_not_ = "this NCCL has no symmetric windows";
        } else {
            constexpr std::size_t alignment = 4096;
            make((bytes + alignment - 1) / alignment * alignment, others);
        }
        agree(others);
        if (!why_not_.empty()) { release(); }
    }
    ~nccl_windows() { release(); }
    nccl_windows(const nccl_windows&) = delete;
    nccl_windows& operator=(const nccl_windows&) = delete;

    /// Empty where the windows can be used, else the reason.
    [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

    /// Copies the inputs of a call into the windows, and says where they and the outputs are there.
    [[nodiscard]] call_buffers like(const job& j, const call_buffers& call) const {
        call_buffers own{std::vector<const void*>(call.in.size()), std::vector<void*>(call.out.size())};
        for (std::size_t i = 0; i < nccl_.here().size(); ++i) {
            const driven_rank& r = nccl_.here()[i];
            const auto rank = static_cast<std::size_t>(r.rank);
            const layout l = layout_of(j, r.rank);
            char* const first = windows_[2 * i].memory;
            char* const second = windows_[2 * i + 1].memory;
            char* const in = first + l.in_at * size_of(j.type);
            own.in[rank] = in;
            own.out[rank] = (j.in_place ? first : second) + l.out_at * size_of(j.type);
            const blink::cuda::device_scope current(r.device);
            blink::cuda::check(cudaMemcpyAsync(in, call.in[rank], input_count(j.data) * size_of(j.type),
                                               cudaMemcpyDeviceToDevice, r.stream),
                               "cudaMemcpyAsync");
        }
        return own;
    }

  private:
    struct window {
        std::size_t place = 0; ///< in `nccl_ranks::here()`
        char* memory = nullptr;
        nccl_window registered = nullptr;
    };

    void release() noexcept {
        for (const window& w : windows_) {
            const blink::cuda::device_scope current(nccl_.here()[w.place].device);
            if (w.registered != nullptr) {
                (void)nccl_.interface().window_deregister(nccl_.communicators()[w.place], w.registered);
            }
            if (w.memory != nullptr) { (void)nccl_.interface().memory_free(w.memory); }
        }
        windows_.clear();
    }

    /// Registering waits for the other ranks, so all of them have to have their memory first.
    void make(std::size_t bytes, const company& others) {
        const nccl_library& library = nccl_.interface();
        windows_.resize(2 * nccl_.here().size());
        for (std::size_t i = 0; i < windows_.size(); ++i) {
            window& w = windows_[i];
            w.place = i / 2;
            const blink::cuda::device_scope current(nccl_.here()[w.place].device);
            void* memory = nullptr;
            note(library.memory_alloc(&memory, bytes), "ncclMemAlloc");
            w.memory = static_cast<char*>(memory);
        }
        agree(others);
        if (!why_not_.empty()) { return; }
        constexpr int symmetric = 1;
        note(library.group_start(), "ncclGroupStart");
        for (window& w : windows_) {
            const blink::cuda::device_scope current(nccl_.here()[w.place].device);
            note(library.window_register(nccl_.communicators()[w.place], w.memory, bytes, &w.registered, symmetric),
                 "ncclCommWindowRegister");
        }
        note(library.group_end(), "ncclGroupEnd");
        for (const window& w : windows_) {
            if (w.registered == nullptr && why_not_.empty()) { why_not_ = "NCCL gives no symmetric windows here"; }
        }
    }

    void note(int status, const char* what) {
        if (status != 0 && why_not_.empty()) {
            why_not_ = std::string(what) + ": " + nccl_.interface().error_string(status);
        }
        (void)cudaGetLastError(); // NCCL may leave an error that is not ours
    }

    /// The first reason of any rank becomes that of all.
    void agree(const company& others) {
        for (const std::string& reason : others.exchange(why_not_)) {
            if (!reason.empty()) {
                why_not_ = reason;
                return;
            }
        }
    }

    const nccl_ranks& nccl_;
    std::vector<window> windows_;
    std::string why_not_;
};

} // namespace blink_perf
