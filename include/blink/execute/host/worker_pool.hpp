// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Threads that wait for work, so that a collective does not pay for starting them.
#pragma once

#include <blink/core/config.hpp>

#include <cstddef>
#include <memory>

namespace blink::host {

/// A team of `size()` workers: the thread that calls `run`, and threads of the pool's own, which start when they are
/// first needed and end with the pool. One thread at a time uses a pool.
class worker_pool {
  public:
    /// @param threads 0: as many as the hardware runs at once
    /// @throw usage_error for a negative number
    BLINK_INLINE explicit worker_pool(int threads = 0);
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    BLINK_INLINE ~worker_pool();

    [[nodiscard]] BLINK_INLINE int size() const noexcept;

    /// Calls `task(worker)` once for each worker 0 .. workers-1 at the same time, worker 0 in the calling thread;
    /// returns when all are done. What they wrote is visible to the caller.
    /// @param task must not throw, and must not wait for another worker
    template <class Task>
    void run(int workers, const Task& task) {
        run(
            workers, [](const void* what, int worker) { (*static_cast<const Task*>(what))(worker); }, &task);
    }

    /// Memory of a worker, kept for the next call; aligned for any element.
    /// @throw std::bad_alloc
    [[nodiscard]] BLINK_INLINE std::byte* scratch(int worker, std::size_t bytes);

  private:
    class crew; ///< keeps the headers of threads from those who only call

    BLINK_INLINE void run(int workers, void (*call)(const void*, int), const void* task);

    std::unique_ptr<crew> crew_;
};

} // namespace blink::host

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/host/worker_pool_impl.hpp>
#endif
