// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Times a call on GPUs, and NCCL's in turn. It knows no element types, so that the files with Blink's kernels, which
/// take long to compile, need not change with it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../driven_rank.hpp"
#include "../layout.hpp"
#include "../session.hpp"

namespace blink_perf {

class company;
class nccl_ranks;
class nccl_windows;

class gpu_clock {
  public:
    /// @param here the ranks of this process; time is taken on the stream of the first
    /// @param synchronize waits for all that they were told, and throws what went wrong
    /// @param others outlives the clock
    gpu_clock(std::vector<driven_rank> here, int size, const company& others, std::function<void()> synchronize);
    ~gpu_clock();
    gpu_clock(const gpu_clock&) = delete;
    gpu_clock& operator=(const gpu_clock&) = delete;

    /// Measures NCCL in turn from now on.
    /// @param windows also with buffers of `bytes` in symmetric windows, where NCCL has them
    /// @throw blink::usage_error where NCCL cannot be loaded
    void compare_with_nccl(bool windows, std::size_t bytes);

    [[nodiscard]] comparison compared() const noexcept;
    /// What was compared, and what was not and why.
    [[nodiscard]] std::vector<std::string> notes() const;

    /// @param call Blink's, which only enqueues
    /// @param factor what `mulsum` multiplies by, in the job's type
    [[nodiscard]] timings time(const job& j, const call_buffers& with, const void* factor,
                               const std::function<void()>& call);

  private:
    using calls = std::vector<std::function<void()>>;      ///< Blink's, and those that it is compared with
    using sample_lists = std::vector<std::vector<double>>; ///< for each of the calls

    [[nodiscard]] bool takes_copies(const job& j, const std::function<void()>& call) const;
    /// Does `work` again and again for a while.
    void wake(const std::function<void()>& work) const;
    sample_lists time_graphs(const job& j, const calls& all);
    sample_lists time_stream(const job& j, const calls& all);
    sample_lists time_blocking(const job& j, const calls& all);

    std::vector<driven_rank> here_;
    std::vector<driven_rank> streams_; ///< one rank of each stream
    int size_;
    const company& others_;
    std::function<void()> synchronize_;
    std::unique_ptr<nccl_ranks> nccl_;
    std::unique_ptr<nccl_windows> windows_; ///< goes before NCCL
};

} // namespace blink_perf
