// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// All ranks of one process: on its GPUs where there are any, else on the host. The same program runs both ways.
#pragma once

#include <blink/communicator/cuda_group.cuh>
#include <blink/communicator/host_group.hpp>
#include <blink/communicator/options.hpp>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/communicator/rank_group.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace blink {

/// A `cuda_group` where this process sees a GPU, else a `host_group`; decided once, when it is made.
class device_or_host_group {
  public:
    /// @throw what the constructor of the chosen group throws
    explicit device_or_host_group(const group_options& choices = {}) {
        if (cuda::visible_gpus() > 0) {
            gpus_ = std::make_unique<cuda_group>(choices);
        } else {
            host_ = std::make_unique<host_group>(choices);
        }
    }

    /// True where the buffers are device memory.
    [[nodiscard]] bool on_gpus() const noexcept { return gpus_ != nullptr; }
    /// The group on GPUs, for its streams and devices; null on the host.
    [[nodiscard]] cuda_group* gpus() noexcept { return gpus_.get(); }

    [[nodiscard]] int size() const noexcept { return gpus_ ? gpus_->size() : host_->size(); }
    [[nodiscard]] group_status status() const noexcept { return gpus_ ? gpus_->status() : host_->status(); }
    [[nodiscard]] const plan& plan_for(collective kind, int root = 0, const plan_options& planning = {}) {
        return gpus_ ? gpus_->plan_for(kind, root, planning) : host_->plan_for(kind, root, planning);
    }
    template <element T>
    [[nodiscard]] rank_buffers<T> make_buffers(std::size_t count) const {
        return gpus_ ? gpus_->make_buffers<T>(count) : host_->make_buffers<T>(count);
    }
    template <element T, collective_operator<T> Op>
    void run(collective kind, int root, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
             const Op& op, const options& choices = {}) {
        if (gpus_) {
            gpus_->run<T>(kind, root, in, out, count, op, choices);
        } else {
            host_->run<T>(kind, root, in, out, count, op, choices);
        }
    }
    template <element T>
    void run(const exchange& e, std::span<const T* const> in, std::span<T* const> out, const options& choices = {}) {
        if (gpus_) {
            gpus_->run<T>(e, in, out, choices);
        } else {
            host_->run<T>(e, in, out, choices);
        }
    }
    template <class Form, element T, reduction_operator<T> Op>
    void run_static(collective kind, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
                    const Op& op, const chunk_choice& chunk = {}) {
        if (gpus_) {
            gpus_->run_static<Form, T>(kind, in, out, count, op, chunk);
        } else {
            host_->run_static<Form, T>(kind, in, out, count, op, chunk);
        }
    }
    void synchronize() {
        if (gpus_) {
            gpus_->synchronize();
        } else {
            host_->synchronize();
        }
    }
    void abort() noexcept {
        if (gpus_) {
            gpus_->abort();
        } else {
            host_->abort();
        }
    }

  private:
    std::unique_ptr<cuda_group> gpus_;
    std::unique_ptr<host_group> host_;
};

/// Every visible GPU, or host ranks where there is none.
using local_group = device_or_host_group;

static_assert(rank_group<cuda_group> && rank_group<device_or_host_group>);

} // namespace blink
