// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A group of ranks that are host threads' work over shared memory: what runs where there is no GPU.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/communicator/plan_key.hpp>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/host/compile.hpp>
#include <blink/execute/host/executor.hpp>
#include <blink/plan.hpp>
#include <blink/topology/topology.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

struct exchange;

/// Ranks of one process, planned as if they were the GPUs of a machine: by default the 8 of a DGX-1V. Where the plan
/// has relays there is nothing for them to do here, since all ranks share one memory.
///
/// A collective runs in the call: when `run` returns, the outputs are written. An operator that throws, a timeout
/// and an abort leave the group unusable; a usage_error does not.
class host_group {
  public:
    /// @throw usage_error for a machine that has not so many GPUs, GPUs that it does not have, or negative numbers
    BLINK_INLINE explicit host_group(group_options choices = {});
    host_group(const host_group&) = delete;
    host_group& operator=(const host_group&) = delete;

    [[nodiscard]] int size() const noexcept { return static_cast<int>(gpus_.size()); }
    [[nodiscard]] group_status status() const noexcept { return status_.load(std::memory_order_acquire); }

    /// The plan that such a collective uses; made on the first call, and kept as long as the group.
    /// @throw plan_error, usage_error: see `make_plan`
    [[nodiscard]] const plan& plan_for(collective kind, int root = 0, const plan_options& planning = {}) {
        return ready_for(kind, root, planning).made;
    }

    /// @throw std::bad_alloc
    template <element T>
    [[nodiscard]] rank_buffers<T> make_buffers(std::size_t count) const {
        return rank_buffers<T>(std::make_shared<host_memory>(), size(), count);
    }

    /// Runs a collective; see `rank_group` and `host::execute`.
    /// @throw usage_error, plan_error before anything moves
    /// @throw timeout_error, aborted_error, what the operator throws; the group is then unusable
    template <element T, collective_operator<T> Op>
    void run(collective kind, int root, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
             const Op& op, const options& choices = {}) {
        const in_use only_one(busy_, to_string(kind));
        throw_if_unusable();
        if (is_rooted(kind) && root == best_root) {
            throw usage_error(std::string(to_string(kind)) + ": no root is given");
        }
        execute(ready_for(kind, root, planning(choices)).compiled, in, out, count, op, choices.chunk);
    }

    /// Runs the transfers of an exchange; see `exchange_group`.
    /// @throw as `run` of a collective does
    template <element T>
    void run(const exchange& e, std::span<const T* const> in, std::span<T* const> out, const options& choices = {});

    /// Runs a collective over a schedule that the compiler knows, the same type that kernels are instantiated on.
    /// @throw as `run` does; usage_error for a schedule of another number of ranks
    template <class Form, element T, reduction_operator<T> Op>
    void run_static(collective kind, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
                    const Op& op, const chunk_choice& chunk = {}) {
        const in_use only_one(busy_, to_string(kind));
        throw_if_unusable();
        if (Form::ranks != size()) {
            throw usage_error("a schedule of " + std::to_string(Form::ranks) + " ranks in a group of " +
                              std::to_string(size()));
        }
        execute(host::compile(Form::value(kind)), in, out, count, op, chunk);
    }

    /// Nothing is left to wait for; throws what went wrong in an earlier call, again and again.
    BLINK_INLINE void synchronize() const;

    /// Ends a running collective soon, from any thread, and makes the group unusable.
    BLINK_INLINE void abort() noexcept;

  private:
    template <class T, class Op>
    void execute(const host::compiled_schedule& compiled, std::span<const T* const> in, std::span<T* const> out,
                 std::size_t count, const Op& op, const chunk_choice& chunk) {
        keeping_failures([&] {
            host::execute<T>(pool_, compiled, in, out, count, op,
                             {.chunk = chunk, .timeout = timeout_, .abort = &stop_});
        });
    }

    /// What goes wrong once data may have moved is kept.
    template <class Work>
    void keeping_failures(const Work& work) {
        try {
            work();
        } catch (const usage_error&) {
            throw; // nothing has moved
        } catch (const timeout_error&) {
            keep_failure(group_status::timed_out);
            throw;
        } catch (const aborted_error&) {
            keep_failure(group_status::aborted);
            throw;
        } catch (...) {
            keep_failure(group_status::failed);
            throw;
        }
    }

    struct ready {
        plan made;
        host::compiled_schedule compiled;
    };

    /// Two threads in one group at once are refused, not queued.
    class in_use {
      public:
        in_use(std::atomic<bool>& busy, std::string_view call) : busy_(busy) {
            if (busy_.exchange(true, std::memory_order_acquire)) {
                throw usage_error(std::string(call) + ": another thread is using the group");
            }
        }
        in_use(const in_use&) = delete;
        in_use& operator=(const in_use&) = delete;
        ~in_use() { busy_.store(false, std::memory_order_release); }

      private:
        std::atomic<bool>& busy_;
    };

    BLINK_INLINE const ready& ready_for(collective kind, int root, const plan_options& planning);
    BLINK_INLINE void keep_failure(group_status what) noexcept;
    BLINK_INLINE void throw_if_unusable() const;

    topology machine_;
    std::vector<int> gpus_;
    std::chrono::milliseconds timeout_;
    host::worker_pool pool_;
    std::map<plan_key, ready> plans_;
    std::atomic<bool> busy_{false};
    std::atomic<bool> stop_{false};
    std::atomic<group_status> status_{group_status::ready};
    std::exception_ptr failure_;
};

static_assert(rank_group<host_group>);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/host_group_impl.hpp>
#endif
