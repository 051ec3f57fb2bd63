// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Threads that wait for work, so that a collective does not pay for starting them.
#pragma once

#include <blink/core/error.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace blink::host {

/// A team of `size()` workers: the thread that calls `run`, and threads of the pool's own, which start when they are
/// first needed and end with the pool. One thread at a time uses a pool.
class worker_pool {
  public:
    /// @param threads 0: as many as the hardware runs at once
    /// @throw usage_error for a negative number
    explicit worker_pool(int threads = 0) {
        if (threads < 0) { throw usage_error("worker_pool: " + std::to_string(threads) + " threads"); }
        size_ = threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
        scratch_.resize(static_cast<std::size_t>(size_));
    }
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    ~worker_pool() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        wake_.notify_all();
        for (std::thread& t : threads_) { t.join(); }
    }

    [[nodiscard]] int size() const noexcept { return size_; }

    /// Calls `task(worker)` once for each worker 0 .. workers-1 at the same time, worker 0 in the calling thread;
    /// returns when all are done. What they wrote is visible to the caller.
    /// @param task must not throw, and must not wait for another worker
    template <class Task>
    void run(int workers, const Task& task) {
        workers = std::clamp(workers, 1, size_);
        if (workers > 1) {
            start(workers - 1);
            {
                const std::lock_guard lock(mutex_);
                call_ = [](const void* what, int worker) { (*static_cast<const Task*>(what))(worker); };
                task_ = &task;
                wanted_ = workers;
                running_ = workers - 1;
                ++round_;
            }
            wake_.notify_all();
        }
        task(0);
        if (workers > 1) {
            std::unique_lock lock(mutex_);
            done_.wait(lock, [this] { return running_ == 0; });
        }
    }

    /// Memory of a worker, kept for the next call; aligned for any element.
    /// @throw std::bad_alloc
    [[nodiscard]] std::byte* scratch(int worker, std::size_t bytes) {
        block& b = scratch_[static_cast<std::size_t>(worker)];
        if (b.bytes < bytes) {
            b = {};
            b.memory.reset(static_cast<std::byte*>(::operator new(bytes, alignment)));
            b.bytes = bytes;
        }
        return b.memory.get();
    }

  private:
    static constexpr std::align_val_t alignment{256};
    struct releaser {
        void operator()(std::byte* p) const noexcept { ::operator delete(p, alignment); }
    };
    struct block {
        std::unique_ptr<std::byte, releaser> memory;
        std::size_t bytes = 0;
    };

    void start(int threads) {
        while (static_cast<int>(threads_.size()) < threads) {
            const int worker = static_cast<int>(threads_.size()) + 1;
            threads_.emplace_back([this, worker, seen = round_] { serve(worker, seen); });
        }
    }

    void serve(int worker, unsigned long seen) {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return ended_ || round_ != seen; });
            if (ended_) { return; }
            seen = round_;
            if (worker >= wanted_) { continue; }
            const auto call = call_;
            const void* const task = task_;
            lock.unlock();
            call(task, worker);
            lock.lock();
            if (--running_ == 0) { done_.notify_one(); }
        }
    }

    int size_ = 1;
    std::vector<block> scratch_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    void (*call_)(const void*, int) = nullptr;
    const void* task_ = nullptr;
    int wanted_ = 0;
    int running_ = 0;
    unsigned long round_ = 0;
    bool ended_ = false;
};

} // namespace blink::host
